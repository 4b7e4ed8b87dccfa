//! Fields of JSON that strangers write. A value of another shape than ours costs that value, not
//! the document around it. Shared by registries and image layouts; no I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::oci::models::from_object;

/// Reads a number or a text; anything else is absent.
pub(super) fn value<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// Reads a number or a text; anything else is the default.
pub(super) fn value_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    value(deserializer).map(Option::unwrap_or_default)
}

/// Reads an object; anything else is absent.
pub(super) fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(from_object(raw.get().as_bytes()).ok())
}

/// Whether a field is there; `null` is not.
pub(super) fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(raw.get() != "null")
}

/// Reads a list; anything else is an empty one. See [`read_list`] for its elements.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(read_list(raw).unwrap_or_default())
}

/// Reads a field that is there as `Some`; `null` is an empty list.
///
/// # Errors
/// The field is there and is no list: then it cannot be said what is in it.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
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

/// Reads an object of texts. What is no text is left out; what is no object has none.
pub(super) fn texts<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    entries(deserializer)
}

/// Reads an object of values of one shape. What has another is left out; what is no object has
/// none.
pub(super) fn entries<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    let mut json = serde_json::Deserializer::from_str(raw.get());
    Ok(json.deserialize_map(Entries(PhantomData)).unwrap_or_default())
}

/// Reads a list of objects or texts. An element of another shape is the default, so that it is
/// known that there is one.
fn read_list<T: Default + DeserializeOwned>(raw: &RawValue) -> serde_json::Result<Vec<T>> {
    serde_json::Deserializer::from_str(raw.get()).deserialize_seq(Elements(PhantomData))
}

/// The elements, one after the other: the text of each is held no longer than it is read.
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

struct Entries<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Entries<T> {
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

/// A value of the wanted shape. An array would be taken for the fields of an object in turn.
fn fitting<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    let is_array = raw.get().starts_with('[');
    if is_array { None } else { serde_json::from_str(raw.get()).ok() }
}
