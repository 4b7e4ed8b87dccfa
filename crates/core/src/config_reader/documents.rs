//! The example, the schema and the values in force, recorded while keys are read.

use serde_json::{Value, json};

use crate::config_reader::form::Form;
use crate::config_reader::{ConfigReader, Need, Presence, Section};

impl ConfigReader {
    /// Every section and key with its default or an example. What may be left out is a comment.
    #[must_use]
    pub fn example(&self) -> &str {
        &self.example
    }

    /// The file as JSON Schema 2020-12, indented, with a line break at the end.
    #[must_use]
    pub fn schema(&self) -> String {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Configuration of the Extension Registry",
            "type": "object",
            "properties": self.schema,
            "additionalProperties": false,
        });
        format!("{schema:#}\n")
    }

    /// Every section as TOML, with the places of the values behind them. Shows no secret.
    #[must_use]
    pub fn show(&self) -> String {
        self.shown.join("\n")
    }
}

impl Section<'_> {
    pub(super) fn record(
        &mut self,
        name: &'static str,
        form: Form,
        doc: &str,
        need: Need,
        example: &Value,
    ) {
        self.keys.push(name);
        let mut doc = doc.to_owned();
        if need == Need::Required {
            self.required.push(name);
            doc += " Required.";
        }
        let shown = form.shown(example);
        let mark = if need == Need::Optional { "# " } else { self.mark };
        self.example += &format!("# {doc}\n{mark}{name} = {shown}\n");
        self.shown += &match self.table.last(name) {
            Some((value, origin)) => {
                format!("{name} = {}  # {origin}\n", form.shown(&form.typed(value, origin)))
            }
            None if need == Need::Default => format!("{name} = {shown}  # default\n"),
            None => format!("# {name} is not set\n"),
        };
        let mut schema = form.schema();
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), doc.into());
            schema.extend((need == Need::Default).then(|| ("default".to_owned(), example.clone())));
        }
        self.properties.insert(name.to_owned(), schema);
    }

    pub(super) fn schema(mut self, doc: &str, presence: Presence) -> Value {
        let table = self.table_schema(doc);
        if presence != Presence::Entries {
            return table;
        }
        let name = json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$" });
        self.properties.insert("name".to_owned(), name);
        self.required.push("name");
        json!({ "oneOf": [table, { "type": "array", "items": self.table_schema(doc) }] })
    }

    fn table_schema(&self, doc: &str) -> Value {
        json!({
            "description": doc,
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}
