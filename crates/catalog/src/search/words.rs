//! Word boundaries in texts of publishers and in queries.

/// Folds case: texts that differ only in case become equal. Upper case comes first, so that `ß`
/// becomes `ss` and both forms of a final sigma become one.
pub(crate) fn fold(text: &str) -> String {
    // Most texts are ASCII, and their bytes fold faster than Unicode characters.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Of a compound such as `key-value` or `k8s.io`, returns the whole and each part.
pub(super) fn text_words(folded: &str) -> impl Iterator<Item = &str> {
    runs(folded).map(trimmed).filter(|word| !word.is_empty()).flat_map(|word| {
        let is_joined = word.contains(is_joiner);
        let pieces = word.split(is_joiner).filter(move |piece| is_joined && !piece.is_empty());
        std::iter::once(word).chain(pieces)
    })
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryWord(String);

impl QueryWord {
    /// Returns the word as typed, for names, which may end in `-`, `_` or `.`.
    pub(super) fn typed(&self) -> &str {
        &self.0
    }

    /// Returns the word without leading and trailing marks, for the words of texts.
    pub(super) fn plain(&self) -> &str {
        trimmed(&self.0)
    }
}

/// Returns the words of a query, each once. Compounds are not split.
pub(super) fn query_words(query: &str) -> Vec<QueryWord> {
    let folded = fold(query);
    let mut words: Vec<QueryWord> = Vec::new();
    for run in runs(&folded) {
        // A name never begins with a mark, but an unfinished one in the query may end with a mark.
        let word = QueryWord(run.trim_start_matches(is_joiner).to_owned());
        if !word.0.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && !is_joiner(c))
}

/// Returns true for the marks in names, and for the `+` in versions.
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
