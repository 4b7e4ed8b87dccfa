//! Quoting of words for shells and YAML.

/// Returns a word for a POSIX shell.
pub(super) fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~+/:@%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns a string in double quotes, as Nushell and YAML read it.
pub(super) fn double(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '\n' => quoted.push_str("\\n"),
            _ if c.is_control() => {}
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns a string in double quotes for Ansible, which would read `{{` as a template.
pub(super) fn ansible(text: &str) -> String {
    double(&text.replace("{{", "{ {").replace("{%", "{ %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_one_word() {
        for (word, quoted) in [
            ("a-1.0", "a-1.0"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("https://a/b?c=d&e", "'https://a/b?c=d&e'"),
            ("$(id)`x`", "'$(id)`x`'"),
        ] {
            assert_eq!(shell(word), quoted);
        }
        assert_eq!(double("a\"\\\n$x\u{7}"), r#""a\"\\\n$x""#);
        assert_eq!(ansible("{{ x }}"), r#""{ { x }}""#);
    }
}
