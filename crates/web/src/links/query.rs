//! Percent-encoding of path segments and queries.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that a path segment cannot hold; `+` is literal there (RFC 3986, §3.3).
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');
const VALUE: &AsciiSet = &SEGMENT.add(b'+');

/// Returns text as one segment of a path; a slash becomes `%2F`.
pub(in crate::links) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A path with a query.
pub(in crate::links) struct LinkTarget {
    text: String,
    has_query: bool,
}

impl LinkTarget {
    pub(in crate::links) const fn new(path: String) -> Self {
        Self { text: path, has_query: false }
    }

    /// Adds a parameter.
    pub(in crate::links) fn with(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(name);
        self.text.push('=');
        self.text.extend(utf8_percent_encode(value, VALUE));
        self
    }

    /// Adds a parameter if it has a value.
    pub(in crate::links) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(in crate::links) fn into_string(self) -> String {
        self.text
    }
}
