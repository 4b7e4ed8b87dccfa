//! Lenient JSON fields for documents of arbitrary publishers: a field of an unexpected type is
//! ignored. Shared by registries and image layouts; no I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::object::from_object;

/// Reads a number or a string. Other types become `None`.
pub fn value<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// Reads a number or a string. Other types become the default.
pub fn value_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    value(deserializer).map(Option::unwrap_or_default)
}

/// Reads an object. Other types become `None`.
pub fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(from_object(raw.get().as_bytes()).ok())
}

/// Returns true if a field is present and not `null`.
pub fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(raw.get() != "null")
}

/// Reads a list of objects or strings; other elements become the default. Other types become an empty list.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(read_list(raw).unwrap_or_default())
}

/// Reads a list; `null` becomes an empty one. Fails for other types: the content is unknown.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    match raw.get() {
        "null" => Ok(Some(Vec::new())),
        _ => read_list(raw).map(Some).map_err(D::Error::custom),
    }
}

/// Reads an object of strings. Other values are dropped, and other types become empty.
pub fn texts<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    entries(deserializer)
}

/// Like [`texts`], for values of type `T`.
pub fn entries<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    let mut json = serde_json::Deserializer::from_str(raw.get());
    Ok(json.deserialize_map(LenientMap(PhantomData)).unwrap_or_default())
}

/// Reads objects and strings. Other elements become the default, so that they still count.
fn read_list<T: Default + DeserializeOwned>(raw: &RawValue) -> serde_json::Result<Vec<T>> {
    serde_json::Deserializer::from_str(raw.get()).deserialize_seq(Elements(PhantomData))
}

/// Holds the text of only one element at a time.
struct Elements<T>(PhantomData<T>);

impl<'de, T: Default + DeserializeOwned> Visitor<'de> for Elements<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut read = Vec::new();
        while let Some(raw) = elements.next_element::<&RawValue>()? {
            read.push(fitting(raw).unwrap_or_default());
        }
        Ok(read)
    }
}

struct LenientMap<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for LenientMap<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut read = BTreeMap::new();
        while let Some((key, raw)) = fields.next_entry::<String, &RawValue>()? {
            if let Some(value) = fitting(raw) {
                read.insert(key, value);
            }
        }
        Ok(read)
    }
}

/// Refuses an array, because serde would read it as the fields of a struct in order.
fn fitting<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    let is_array = raw.get().starts_with('[');
    if is_array { None } else { serde_json::from_str(raw.get()).ok() }
}
