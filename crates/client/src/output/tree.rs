//! Any value with its fields in their order, which the NUON writer walks.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::failure::{ClientFailure, Result};

/// A value of JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum OutputTree {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<OutputTree>),
    Record(Vec<(String, OutputTree)>),
}

impl OutputTree {
    /// Returns the value of anything that has a JSON form.
    pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let text = serde_json::to_vec(value);
        let tree = text.and_then(|text| serde_json::from_slice(&text));
        tree.map_err(|error| ClientFailure::failed(format!("no output can be made: {error}")))
    }
}

impl<'de> Deserialize<'de> for OutputTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = OutputTree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<OutputTree, E> {
        Ok(OutputTree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<OutputTree, E> {
        Ok(OutputTree::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<OutputTree, E> {
        Ok(OutputTree::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<OutputTree, E> {
        Ok(OutputTree::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<OutputTree, E> {
        Ok(serde_json::Number::from_f64(value).map_or(OutputTree::Null, OutputTree::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<OutputTree, E> {
        Ok(OutputTree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<OutputTree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(OutputTree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OutputTree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(OutputTree::Record(fields))
    }
}
