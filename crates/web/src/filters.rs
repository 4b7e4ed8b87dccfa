//! Filters of the templates. Text of publishers passes through one of them on every page.

#![expect(
    clippy::inline_always,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "askama gives the signature, and its macro the rest"
)]

use askama::filters::Safe;
use jiff::Timestamp;

use crate::digest::DigestView;
use crate::format::amount;
use crate::format::size as sizes;
use crate::format::time;
use crate::format::visible::{Breaks, VisiblePiece, pieces, visible};

/// Isolates a name; all hidden characters are shown as escapes.
#[askama::filter_fn]
pub fn name<T: AsRef<str>>(text: T, _values: &dyn askama::Values) -> askama::Result<Safe<String>> {
    Ok(Safe(isolated(text.as_ref(), Breaks::Shown)))
}

/// Isolates running text; line breaks stay.
#[askama::filter_fn]
pub fn text<T: AsRef<str>>(text: T, _values: &dyn askama::Values) -> askama::Result<Safe<String>> {
    Ok(Safe(isolated(text.as_ref(), Breaks::Kept)))
}

/// Writes lines of a file; hidden characters are shown as escapes.
#[askama::filter_fn]
pub fn code<T: AsRef<str>>(text: T, _values: &dyn askama::Values) -> askama::Result<Safe<String>> {
    let mut html = String::with_capacity(text.as_ref().len());
    push_pieces(&mut html, text.as_ref(), Breaks::Kept);
    Ok(Safe(html))
}

/// Returns text for attributes and titles; hidden characters are shown as escapes.
#[askama::filter_fn]
pub fn plain<T: AsRef<str>>(text: T, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(visible(text.as_ref(), Breaks::Shown))
}

/// Shortens text to a number of characters.
#[askama::filter_fn]
pub fn excerpt<T: AsRef<str>>(
    text: T,
    _values: &dyn askama::Values,
    max: usize,
) -> askama::Result<String> {
    let text = text.as_ref().trim();
    Ok(match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
        None => text.to_owned(),
    })
}

/// Writes a date.
#[askama::filter_fn]
pub fn date(at: &Timestamp, _values: &dyn askama::Values) -> askama::Result<Safe<String>> {
    Ok(Safe(time_element(*at, &time::date(*at))))
}

/// Writes a date with the time of day.
#[askama::filter_fn]
pub fn moment(at: &Timestamp, _values: &dyn askama::Values) -> askama::Result<Safe<String>> {
    Ok(Safe(time_element(*at, &time::moment(*at))))
}

/// Writes the time of day.
#[askama::filter_fn]
pub fn clock(at: &Timestamp, _values: &dyn askama::Values) -> askama::Result<Safe<String>> {
    Ok(Safe(time_element(*at, &time::clock(*at))))
}

/// Returns a size.
#[askama::filter_fn]
pub fn size(bytes: &u64, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(sizes::size(*bytes))
}

/// Returns a number with commas between thousands.
#[askama::filter_fn]
pub fn grouped(number: &usize, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(amount::grouped(*number))
}

/// Returns a number with its noun.
#[askama::filter_fn]
pub fn counted(number: &usize, _values: &dyn askama::Values, noun: &str) -> askama::Result<String> {
    Ok(amount::counted(*number, noun))
}

/// Writes the first 12 digits of a digest; the whole digest is the title, and copied by the script.
#[askama::filter_fn]
pub fn digest(digest: &DigestView, _values: &dyn askama::Values) -> askama::Result<Safe<String>> {
    let short = digest.short();
    Ok(Safe(format!("<code title=\"{digest}\" data-copy=\"{digest}\">{short}…</code>")))
}

fn time_element(at: Timestamp, text: &str) -> String {
    format!("<time datetime=\"{}\">{text}</time>", time::rfc3339(at))
}

fn isolated(text: &str, breaks: Breaks) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    html.push_str("<bdi>");
    push_pieces(&mut html, text, breaks);
    html.push_str("</bdi>");
    html
}

fn push_pieces(html: &mut String, text: &str, breaks: Breaks) {
    for piece in pieces(text, breaks) {
        match piece {
            VisiblePiece::Plain(plain) => push_escaped(html, plain),
            VisiblePiece::Hidden(c) => {
                html.push_str("<i class=\"hidden\">");
                html.extend(c.escape_unicode());
                html.push_str("</i>");
            }
        }
    }
}

fn push_escaped(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_text() {
        assert_eq!(
            isolated("<b>\u{202e}'&\"", Breaks::Shown),
            "<bdi>&lt;b&gt;<i class=\"hidden\">\\u{202e}</i>&#39;&amp;&quot;</bdi>"
        );
    }
}
