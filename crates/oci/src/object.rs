//! JSON objects. Shared by registries and image layouts; no I/O.

use serde::Deserialize;

/// Parses a JSON object. serde would read an array as the fields of a struct in order.
pub fn from_object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    let object = bytes.trim_ascii_start().starts_with(b"{");
    if object {
        serde_json::from_slice(bytes)
    } else {
        Err(serde::de::Error::custom("not a JSON object"))
    }
}
