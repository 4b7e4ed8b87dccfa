//! Typed values: tables from a file, the environment and flags, each value with its place.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config_reader::problems::{ConfigProblem, ValueOrigin};

pub(super) const PREFIX: &str = "EXTENSION_REGISTRY__";

/// A key has a value for each place that sets it; the last wins.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) place: ValueOrigin,
    pub(super) is_entry: bool,
    pub(super) values: BTreeMap<String, Vec<(Value, ValueOrigin)>>,
}

/// Everything that was typed, later places after earlier ones.
#[derive(Debug, Default)]
pub struct Typed {
    /// Tables by section; what stands outside of sections has an empty name.
    tables: BTreeMap<String, Vec<Table>>,
    /// Tables inside of sections, by section and key.
    inner: BTreeMap<(String, String), Table>,
    pub(super) unmatched: Vec<Unmatched>,
    pub(super) problems: Vec<ConfigProblem>,
}

/// A variable that sets a key of no table.
#[derive(Debug)]
pub(super) struct Unmatched {
    pub(super) section: String,
    /// Name behind the section.
    pub(super) rest: String,
    text: String,
    pub(super) origin: ValueOrigin,
}

impl Table {
    fn put(&mut self, key: &str, value: Value, origin: ValueOrigin) {
        self.values.entry(key.to_owned()).or_default().push((value, origin));
    }

    pub(super) fn last(&self, key: &str) -> Option<&(Value, ValueOrigin)> {
        self.values.get(key)?.last()
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.last(key)?.0.as_str()
    }

    pub(super) fn path(&self, section: &str) -> String {
        let name = self.text("name").filter(|_| self.is_entry);
        name.map_or_else(|| section.to_owned(), |name| format!("{section}.{name}"))
    }

    pub(super) fn header(&self, section: &str) -> String {
        match self.last("name").filter(|_| self.is_entry) {
            Some((name, origin)) => format!("[[{section}]]\nname = {name}  # {origin}\n"),
            None => format!("[{section}]\n"),
        }
    }

    pub(super) fn variable(&self) -> Option<String> {
        self.text("name").filter(|_| self.is_entry).map(|name| name.replace('-', "_"))
    }
}

impl Typed {
    /// Adds what a file holds.
    pub fn file(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.text(path, &text),
            Err(error) => {
                let place = ValueOrigin::File(path.to_owned());
                self.problems.push(ConfigProblem::at(&place, format!("cannot be read: {error}")));
            }
        }
    }

    /// Adds what a file of this path and text holds.
    pub fn text(&mut self, path: &Path, text: &str) {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(text.len()..text.len());
            let is_header = text.get(..span.start).is_some_and(|before| before.ends_with('['));
            let what = match text.get(span.clone()) {
                Some(name) if is_header && error.message() == "duplicate key" => format!(
                    "[{name}] is there already; one backend of a kind is a table, such as [gitea], and \
                     several are entries, such as [[gitea]], each with a name"
                ),
                _ => error.message().to_owned(),
            };
            self.problems.push(ConfigProblem::at(&line_of(path, text, span.start), what));
        }
        for (name, content) in document.get_ref() {
            let (place, name) = (line_of(path, text, name.span().start), name.get_ref());
            let (is_entry, entries) = match content.get_ref() {
                DeValue::Array(entries) => (true, &entries[..]),
                _ => (false, std::slice::from_ref(content)),
            };
            for entry in entries {
                let DeValue::Table(keys) = entry.get_ref() else {
                    self.put("", name, value_of(entry), place.clone());
                    continue;
                };
                let place =
                    if is_entry { line_of(path, text, entry.span().start) } else { place.clone() };
                let table = Table { place, is_entry, values: values_of(keys, path, text) };
                for (key, value) in keys.iter().filter(|_| !is_entry) {
                    let DeValue::Table(keys) = value.get_ref() else { continue };
                    let place = line_of(path, text, key.span().start);
                    let values = values_of(keys, path, text);
                    let inner = Table { place, is_entry, values };
                    self.inner.insert((name.to_string(), key.get_ref().to_string()), inner);
                }
                self.tables.entry(name.to_string()).or_default().push(table);
            }
        }
    }

    /// Adds `…__SECTION__KEY` variables, or `…__SECTION__ENTRY__KEY` for an entry of the file.
    pub fn environment(&mut self, variables: &[(String, String)]) {
        for (variable, text) in variables {
            let Some(path) = variable.strip_prefix(PREFIX) else { continue };
            let (path, origin) = (path.to_lowercase(), ValueOrigin::Environment(variable.clone()));
            let (section, rest) = path.split_once("__").unwrap_or((&path, ""));
            let tables = self.tables.get_mut(section).map_or(&mut [][..], Vec::as_mut_slice);
            let has_entries = tables.iter().any(|table| table.is_entry);
            let entry = rest.rsplit_once("__").filter(|(_, key)| *key != "name");
            let (name, key) = entry.unwrap_or_default();
            match tables.iter_mut().find(|table| table.variable().as_deref() == Some(name)) {
                Some(table) => table.put(key, text.as_str().into(), origin),
                None if has_entries || rest.contains("__") => {
                    let (section, rest) = (section.to_owned(), rest.to_owned());
                    self.unmatched.push(Unmatched { section, rest, text: text.clone(), origin });
                }
                None => self.put(section, rest, text.as_str(), origin),
            }
        }
    }

    /// Adds the value of one key. A section that is not there yet begins with it.
    pub fn put(&mut self, section: &str, key: &str, value: impl Into<Value>, origin: ValueOrigin) {
        let tables = self.tables.entry(section.to_owned()).or_default();
        if tables.is_empty() {
            tables.push(Table { place: origin.clone(), ..Table::default() });
        }
        if let Some(table) = tables.last_mut() {
            table.put(key, value.into(), origin);
        }
    }

    /// Makes the table `key` inside of a section a section of the name `path`.
    pub(super) fn promote(&mut self, path: &str, section: &str, key: &str) {
        if let Some(table) = self.inner.remove(&(section.to_owned(), key.to_owned())) {
            self.tables.insert(path.to_owned(), vec![table]);
        }
        for variable in std::mem::take(&mut self.unmatched) {
            let rest = variable.rest.split_once("__");
            match rest.filter(|(name, _)| variable.section == section && *name == key) {
                Some((_, rest)) => self.put(path, rest, variable.text, variable.origin),
                None => self.unmatched.push(variable),
            }
        }
    }

    /// Returns true if a key of a section has a value.
    #[must_use]
    pub fn has(&self, section: &str, key: &str) -> bool {
        self.tables(section).iter().any(|table| table.last(key).is_some())
    }

    pub(super) fn tables(&self, section: &str) -> &[Table] {
        self.tables.get(section).map_or(&[], Vec::as_slice)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Table)> {
        let sections = self.tables.iter();
        sections.flat_map(|(name, tables)| tables.iter().map(|table| (name.as_str(), table)))
    }
}

fn values_of(
    keys: &DeTable<'_>,
    path: &Path,
    text: &str,
) -> BTreeMap<String, Vec<(Value, ValueOrigin)>> {
    let values = keys.iter().map(|(key, value)| {
        let origin = line_of(path, text, key.span().start);
        (key.get_ref().to_string(), vec![(value_of(value), origin)])
    });
    values.collect()
}

fn line_of(path: &Path, text: &str, offset: usize) -> ValueOrigin {
    let before = text.get(..offset).unwrap_or(text);
    ValueOrigin::Line(path.to_owned(), before.bytes().filter(|byte| *byte == b'\n').count() + 1)
}

/// A value of TOML without its place; null for one that no key takes.
fn value_of(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().into()
        }
        DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::MAX).into(),
        DeValue::Array(items) => items.iter().map(value_of).collect(),
        DeValue::Table(_) => Value::Object(serde_json::Map::new()),
        DeValue::Datetime(_) => Value::Null,
    }
}
