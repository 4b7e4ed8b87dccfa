//! Texts that can be a part of a key of an engine.

/// Returns true for 1 to `most` of `A-Z a-z 0-9 . _ -`.
pub(crate) fn is_key_part(text: &str, most: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=most).contains(&text.len()) && text.bytes().all(allowed)
}
