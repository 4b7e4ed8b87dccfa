//! Texts that publishers could choose to break pages.

/// Stands in every hostile text; pages contain it only escaped.
const MARKER: &str = "<script>alert(1)</script>";
/// The longest name.
pub const NAME_100: &str = "a-name-of-a-hundred-characters-that-a-person-will-surely-choose-for-an-\
                            extension-one-day-0123456789a";

/// Markup, quotes, control characters, right-to-left and zero-width marks.
pub fn hostile() -> String {
    format!(
        "\u{202e}evil\u{202c} \u{200b}zero {MARKER} \"'><img src=x onerror=alert(1)> {{{{x}}}} \u{7}שלום"
    )
}

/// The same in a path.
pub fn hostile_path() -> String {
    hostile().replace('/', "∕")
}

/// A thousand characters without a space.
pub const WORD_1000: fn() -> String = || "abcdefghij".repeat(100);
