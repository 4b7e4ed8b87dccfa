//! Paths of the API below the address of a service.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Common prefix of all paths of the API.
pub const BASE: &str = "/api/v1";

// Characters allowed in a path segment without encoding; `+` is literal there (RFC 3986, §3.3).
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');
const VALUE: &AsciiSet = &SEGMENT.add(b'+');

// Path segments with a meaning of their own, which cannot be used as a version.
const RESERVED: [&str; 5] = ["versions", "resolve", "readme", "explain", "latest"];

/// A path below [`BASE`] or below the address of the service, and its parameters.
#[derive(Clone, Debug)]
pub struct Target {
    base: &'static str,
    path: String,
    pairs: Vec<(&'static str, String)>,
}

impl Target {
    /// A path that needs no encoding.
    pub fn new(path: impl Into<String>) -> Self {
        Self { base: BASE, path: path.into(), pairs: Vec::new() }
    }

    /// A path outside of the API, such as `/v2/`, that needs no encoding.
    pub fn at_root(path: impl Into<String>) -> Self {
        Self { base: "", path: path.into(), pairs: Vec::new() }
    }

    /// Formats the target below the address of the service.
    #[must_use]
    pub fn absolute(&self) -> String {
        format!("{}{}", self.base, self.text())
    }

    /// The archive of a version or tag; `latest` is a tag of this name. `id` is `type/name`.
    #[must_use]
    pub fn release(id: &str, version: &str) -> Self {
        let path = format!("/extensions/{id}/");
        if RESERVED.contains(&version) {
            return Self::new(path + "latest").with("tag", version);
        }
        Self::new(path + &utf8_percent_encode(version, SEGMENT).to_string())
    }

    /// Adds a path below this one.
    #[must_use]
    pub fn below(mut self, path: &str) -> Self {
        self.path.push_str(path);
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.pairs.push((name, value.into()));
        self
    }

    /// Adds several parameters.
    #[must_use]
    pub fn with_all(mut self, pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.pairs.extend(pairs);
        self
    }

    /// Returns path and query below [`BASE`].
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.path.clone();
        for (index, (name, value)) in self.pairs.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.extend(utf8_percent_encode(value, VALUE));
        }
        text
    }
}
