//! The configuration file as JSON Schema 2020-12, for editors and for checks without the program.
//! Made of the same table that the configuration is checked by.

use serde_json::{Map, Value as Json, json};

use crate::config::keys::{KEYS, Key, Kind, SECTIONS, Section};
use crate::config::settings::default_of;
use crate::config::typed::Value;

/// The schema, indented, with a line break at the end.
#[must_use]
pub fn render() -> String {
    let sections: Map<String, Json> =
        SECTIONS.iter().map(|section| (section.name.to_owned(), of_section(section))).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the Extension Registry",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
    });
    format!("{schema:#}\n")
}

fn of_section(section: &Section) -> Json {
    let keys = || KEYS.iter().filter(|key| key.section == section.name);
    let required: Vec<&str> = keys().filter(|key| key.required).map(|key| key.name).collect();
    let properties: Map<String, Json> =
        keys().map(|key| (key.name.to_owned(), of_key(key))).collect();
    json!({
        "description": section.doc,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn of_key(key: &Key) -> Json {
    let mut schema = match key.kind {
        Kind::Text => json!({ "type": "string", "pattern": r"\S" }),
        Kind::Url => {
            json!({ "type": "string", "pattern": r"^[hH][tT][tT][pP][sS]?://[^/@\s]+(/|$)" })
        }
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Bytes => {
            json!({ "type": "string", "pattern": "^[0-9]+ *([bB]|[kKmMgGtT][iI]?[bB])?$" })
        }
        Kind::List => json!({ "type": "array", "items": { "type": "string" } }),
    };
    if let Json::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), key.doc.into());
        let default = key.default.and_then(default_of);
        schema.extend(default.map(|default| ("default".to_owned(), as_json(default))));
    }
    schema
}

fn as_json(value: Value) -> Json {
    match value {
        Value::Text(text) => text.into(),
        Value::Flag(flag) => flag.into(),
        Value::Whole(number) => number.into(),
        Value::List(items) => items.into(),
        Value::Other(_) => Json::Null,
    }
}
