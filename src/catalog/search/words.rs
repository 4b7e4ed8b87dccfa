//! What counts as a word, in what publishers write and in what callers type.

/// Folds case: texts that differ in case alone become the same text. Upper case comes first, so that
/// `ß` is `ss` and both forms of a final sigma are one.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The words of a folded text: what stands between spaces and punctuation, and, where it is joined
/// of several (`key-value`, `k8s.io`), each of these as well.
pub(super) fn text_words(folded: &str) -> impl Iterator<Item = &str> {
    runs(folded).map(trimmed).filter(|word| !word.is_empty()).flat_map(|word| {
        let is_joined = word.contains(is_joiner);
        let pieces = word.split(is_joiner).filter(move |piece| is_joined && !piece.is_empty());
        std::iter::once(word).chain(pieces)
    })
}

/// One word of a query, folded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryWord(String);

impl QueryWord {
    /// As it was typed, to be compared with names: they may end in `-`, `_` or `.`.
    pub(super) fn typed(&self) -> &str {
        &self.0
    }

    /// Without what stands around it, to be compared with words.
    pub(super) fn plain(&self) -> &str {
        trimmed(&self.0)
    }
}

/// The words of a query, each once. They are not taken apart where they are joined.
pub(super) fn query_words(query: &str) -> Vec<QueryWord> {
    let folded = fold(query);
    let mut words: Vec<QueryWord> = Vec::new();
    for run in runs(&folded) {
        let word = QueryWord(run.trim_start_matches(is_joiner).to_owned());
        if !word.0.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// Letters, digits, and what may join them.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && !is_joiner(c))
}

/// What names are made of beside letters and digits, and the `+` of versions.
fn is_joiner(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | '+')
}

fn trimmed(word: &str) -> &str {
    word.trim_matches(is_joiner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_words() {
        for (text, expected) in [
            ("Runs containers, with etcd (v3).", "runs containers with etcd v3"),
            ("key-value store", "key-value key value store"),
            ("k8s.io/Networking", "k8s.io k8s io networking"),
            ("C++ -- and_so... on", "c and_so and so on"),
            ("  ", ""),
            ("Straße ΟΔΟΣ οδος", "strasse οδοσ οδοσ"),
            ("日本語 データ", "日本語 データ"),
        ] {
            let folded = fold(text);
            assert_eq!(text_words(&folded).collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn queries_become_words() {
        for (query, expected) in [
            ("  Cert-Manager\t DNS ", &[("cert-manager", "cert-manager"), ("dns", "dns")][..]),
            ("cert-", &[("cert-", "cert")]),
            ("-- + ,", &[]),
            ("-aws, aws AWS", &[("aws", "aws")]),
            ("provider/aws", &[("provider", "provider"), ("aws", "aws")]),
            ("STRASSE straße", &[("strasse", "strasse")]),
        ] {
            let words = query_words(query);
            let words: Vec<_> = words.iter().map(|word| (word.typed(), word.plain())).collect();
            assert_eq!(words, expected, "{query}");
        }
    }
}
