//! Reads a configuration in one pass, which also yields the example, the schema and `config show`.

mod documents;
pub mod form;
pub mod problems;
mod typed;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::config_reader::form::{Form, Parse};
use crate::config_reader::problems::{ConfigProblem, Problems, hint};
pub use crate::config_reader::typed::Typed;
use crate::config_reader::typed::{PREFIX, Table, Unmatched};
use crate::models::backend_id::{BackendId, BackendName};
use crate::models::backend_kind::BackendKind;

type Name = &'static str;

/// The least and the largest number of a key.
pub type Bounds = RangeInclusive<i64>;

/// Typed values, the documentation of keys read so far, and every problem.
#[derive(Debug, Default)]
pub struct ConfigReader {
    typed: Typed,
    problems: Vec<ConfigProblem>,
    sections: Vec<(Name, Presence, Vec<Name>)>,
    names: Vec<BackendName>,
    example: String,
    schema: Map<String, Value>,
    shown: Vec<String>,
}

/// Meaning of an absent section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// All its keys have their defaults.
    Always,
    /// Something is switched off.
    Optional,
    /// There is no such backend. There may also be several, as entries with names.
    Entries,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Required,
    Default,
    Optional,
}

/// One table that is being read: a section, or an entry of one.
pub struct Section<'a> {
    path: String,
    table: &'a Table,
    mark: &'static str,
    problems: Vec<ConfigProblem>,
    keys: Vec<Name>,
    required: Vec<Name>,
    properties: Map<String, Value>,
    example: String,
    shown: String,
}

/// A key that is about to be read.
pub struct Key<'s, 'a, T> {
    keys: &'s mut Section<'a>,
    name: Name,
    form: Form,
    parse: Parse<T>,
}

impl ConfigReader {
    /// Reads what was typed.
    #[must_use]
    pub fn new(mut typed: Typed) -> Self {
        Self { problems: std::mem::take(&mut typed.problems), typed, ..Self::default() }
    }

    /// Reads a section or every entry. The name `server.tls` is the table `tls` inside of `server`,
    /// which has to be read before.
    pub fn read<T>(
        &mut self,
        name: Name,
        presence: Presence,
        doc: &str,
        mut read: impl FnMut(&mut Section<'_>) -> Option<T>,
    ) -> Vec<T> {
        let outer = name.split_once('.');
        if let Some((section, key)) = outer {
            self.promote(name, section, key);
        }
        let absent = Table::default();
        // Also where the section is left out: its keys have defaults, and are documented.
        let mut declared = Section::new(name, &absent, presence);
        let defaults = read(&mut declared);
        let tables = self.typed.tables(name);
        let mut found = Vec::new();
        for table in tables {
            let mut section = Section::new(name, table, presence);
            let value = read(&mut section);
            if presence == Presence::Entries {
                let id = section.check_name(name, &declared.keys, &self.names);
                found.extend(value.filter(|_| id.is_some()));
                self.names.extend(id);
            } else {
                found.extend(value);
            }
            self.problems.append(&mut section.problems);
            self.shown.push(section.shown);
        }
        if tables.is_empty() && presence == Presence::Always {
            found.extend(defaults);
            self.shown.push(declared.shown.clone());
        } else if tables.is_empty() {
            self.shown.push(format!("# [{name}] is not configured\n"));
        }
        self.example += &format!("\n# {doc}\n{}[{name}]\n{}", declared.mark, declared.example);
        self.sections.push((name, presence, declared.keys.clone()));
        let schema = declared.schema(doc, presence);
        match outer.and_then(|(section, _)| self.schema.get_mut(section)?.get_mut("properties")) {
            Some(Value::Object(keys)) => {
                keys.extend(outer.map(|(_, key)| (key.to_owned(), schema)));
            }
            _ => drop(self.schema.insert(name.to_owned(), schema)),
        }
        found
    }

    fn promote(&mut self, path: &str, section: Name, key: Name) {
        for (value, place) in self.typed.tables(section).iter().filter_map(|table| table.last(key))
        {
            if !value.is_object() {
                let what = format!("{path}: must be a table; write [{path}]");
                self.problems.push(ConfigProblem::at(place, what));
            }
        }
        self.typed.promote(path, section, key);
        for (_, _, keys) in self.sections.iter_mut().filter(|(name, ..)| *name == section) {
            keys.push(key);
        }
    }

    /// Returns true if a section was typed, whatever is wrong with it.
    #[must_use]
    pub fn has(&self, section: &str) -> bool {
        !self.typed.tables(section).is_empty()
    }

    /// Reports a problem at the place of the value; the key is given with its section or entry.
    pub fn report(&mut self, key: &str, what: &str) {
        let (path, name) = key.rsplit_once('.').unwrap_or_default();
        let table = self.typed.all().find(|(section, table)| table.path(section) == path);
        let place = table.and_then(|(_, table)| table.last(name)).map(|(_, origin)| origin.clone());
        self.problems.push(ConfigProblem { origin: place, what: format!("{key}: {what}") });
    }

    /// Reports a problem of the configuration as a whole.
    pub fn report_whole(&mut self, what: String) {
        self.problems.push(ConfigProblem { origin: None, what });
    }

    /// Returns the value, or every problem if one is with a key in `keys`; with any key if empty.
    pub fn finish<T>(&self, value: Option<T>, keys: &[&str]) -> Result<T, Problems> {
        let is_fatal = self
            .problems
            .iter()
            .any(|problem| keys.is_empty() || keys.iter().any(|key| problem.concerns(key)));
        let value = value.filter(|_| !is_fatal);
        value.ok_or_else(|| Problems::new(self.problems.clone()))
    }

    /// Reports what no section has read. To be called once all are read.
    pub fn report_unknown(&mut self) {
        let mut found = Vec::new();
        for (name, table) in self.typed.all() {
            let (presence, known) = match self.sections.iter().find(|(found, ..)| *found == name) {
                Some((_, presence, keys)) => (*presence, keys.as_slice()),
                None if name.is_empty() => (Presence::Always, &[][..]),
                None => {
                    found.push(ConfigProblem::at(&table.place, self.unknown_section(name)));
                    continue;
                }
            };
            if table.is_entry && presence != Presence::Entries {
                let what = format!("[[{name}]]: must be a table; write [{name}]");
                found.push(ConfigProblem::at(&table.place, what));
            }
            for (key, values) in &table.values {
                if known.contains(&key.as_str()) || table.is_entry && key == "name" {
                    continue;
                }
                let mut what = self.unknown_key(&table.path(name), name, key);
                let is_table = values.iter().any(|(value, _)| value.is_object());
                if presence == Presence::Entries && (is_table || key == "name") {
                    what += &format!("; a backend with a name begins with [[{name}]]");
                }
                found.extend(values.iter().map(|(_, at)| ConfigProblem::at(at, what.clone())));
            }
        }
        for Unmatched { section, rest, origin, .. } in &self.typed.unmatched {
            found.push(ConfigProblem::at(origin, self.unmatched(section, rest)));
        }
        self.problems.append(&mut found);
    }

    fn unknown_section(&self, name: &str) -> String {
        let names = self.sections.iter().map(|(name, ..)| *name);
        let near = hint(name, names, |near| format!("[{near}]"));
        format!("[{name}]: unknown section{near}")
    }

    fn unknown_key(&self, path: &str, section: &str, key: &str) -> String {
        let here = self.sections.iter().filter(|(name, ..)| *name == section);
        let near = hint(key, here.flat_map(|(_, _, keys)| keys.iter().copied()), |near| {
            format!("{path}.{near}")
        });
        let elsewhere = self.sections.iter().find(|(_, _, keys)| keys.contains(&key));
        // A backend's name is told how it is written instead.
        let near = match elsewhere.filter(|_| near.is_empty() && key != "name") {
            Some((section, ..)) => format!("; did you mean {section}.{key}?"),
            None => near,
        };
        let dot = if path.is_empty() { "" } else { "." };
        format!("{path}{dot}{key}: unknown key{near}")
    }

    fn unmatched(&self, section: &str, rest: &str) -> String {
        let names = self.typed.tables(section).iter().filter_map(Table::variable);
        let names: Vec<String> = names.collect();
        let listed = if names.is_empty() { "none" } else { &*names.join(", ").to_uppercase() };
        let beginning = format!("{PREFIX}{}__", section.to_uppercase());
        let (entry, _) = rest.rsplit_once("__").unwrap_or_default();
        let near = hint(entry, names.iter().map(String::as_str), str::to_uppercase);
        match self.sections.iter().find(|(name, ..)| *name == section) {
            Some((_, Presence::Entries, _)) => format!(
                "{section}: names no entry of the file; write {beginning}NAME__KEY for an entry of \
                 [[{section}]] ({listed}), or {beginning}KEY for a table [{section}]{near}"
            ),
            Some(_) => self.unknown_key(section, section, rest),
            None => self.unknown_section(section),
        }
    }
}

impl<'a> Section<'a> {
    fn new(name: &str, table: &'a Table, presence: Presence) -> Self {
        // One backend is no comment, so that the example is valid as it is.
        let is_live = presence == Presence::Always || name == BackendKind::Local.as_str();
        Self {
            path: table.path(name),
            table,
            mark: if is_live { "" } else { "# " },
            problems: Vec::new(),
            keys: Vec::new(),
            required: Vec::new(),
            properties: Map::new(),
            example: String::new(),
            shown: table.header(name),
        }
    }

    /// `gitea`, or `gitea.internal` for an entry, as in messages.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of an entry, or of the kind for a table.
    #[must_use]
    pub fn id(&self, kind: BackendKind) -> BackendId {
        let name = self.table.text("name").filter(|_| self.table.is_entry);
        let name = name.and_then(|name| name.parse().ok());
        BackendId::new(name.unwrap_or_else(|| BackendName::of_kind(kind)), kind)
    }

    /// The text of a key as it was typed.
    #[must_use]
    pub fn typed(&self, key: &str) -> Option<&str> {
        self.table.text(key)
    }

    /// Returns true if a key has a value that is not its default.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.last(key).is_some()
    }

    /// Returns true if nothing that was read so far has a problem.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Reports a problem at the place of the value, or else at that of the section.
    pub fn report(&mut self, key: &str, what: &str) {
        let place = self.table.last(key).map_or(&self.table.place, |(_, place)| place);
        self.problems.push(ConfigProblem::at(place, format!("{}.{key}: {what}", self.path)));
    }

    /// Also checks the name against other backends (contract §8).
    fn check_name(
        &mut self,
        kind: &str,
        keys: &[&str],
        names: &[BackendName],
    ) -> Option<BackendName> {
        let name = if self.table.is_entry { self.typed("name") } else { Some(kind) };
        let id = name.map(str::parse::<BackendName>);
        let variable = name.unwrap_or_default().replace('-', "_");
        let is_key = variable == "name" || keys.contains(&variable.as_str());
        let what = match name.zip(id) {
            None => "is required in an entry, such as name = \"internal\"".to_owned(),
            Some((name, Err(error))) => format!("{error}, not {name:?}"),
            Some((name, Ok(_))) if is_key => format!(
                "{name:?} is a key of the section, and an environment variable could mean both; \
                 choose another name"
            ),
            Some((name, Ok(id))) if names.contains(&id) => {
                format!("another backend is named {name:?}; choose another name")
            }
            Some((name, Ok(_))) if name != kind && name.parse::<BackendKind>().is_ok() => {
                format!("{name:?} is for backends of [{name}]; choose another name")
            }
            Some((_, Ok(id))) => return Some(id),
        };
        self.report("name", &what);
        None
    }

    /// A key of this form, whose text or items are parsed.
    pub fn key<T>(&mut self, name: Name, form: Form, parse: Parse<T>) -> Key<'_, 'a, T> {
        Key { keys: self, name, form, parse }
    }

    /// A text.
    pub fn text<T: FromStr<Err: Display>>(&mut self, name: Name) -> Key<'_, 'a, T> {
        self.key(name, Form::Text, parsed)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: Name) -> Key<'_, 'a, bool> {
        self.key(name, Form::Flag, parsed)
    }

    /// A whole number, whose bounds fit into its type.
    pub fn whole<T: FromStr<Err: Display>>(
        &mut self,
        name: Name,
        bounds: Bounds,
    ) -> Key<'_, 'a, T> {
        self.key(name, Form::Whole(*bounds.start(), *bounds.end()), parsed)
    }

    /// A number of seconds.
    pub fn seconds(&mut self, name: Name, bounds: Bounds) -> Key<'_, 'a, Duration> {
        let form = Form::Whole(*bounds.start(), *bounds.end());
        self.key(name, form, |text| parsed(text).map(Duration::from_secs))
    }
}

/// Parses a text by its own grammar. The error is the message of that grammar.
pub fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

impl<T> Key<'_, '_, T> {
    /// The value of a required key of the section. `doc` is a sentence for operators.
    pub fn required(self, example: impl Into<Value>, doc: &str) -> Option<T> {
        self.read(Need::Required, &example.into(), doc)?.pop()
    }

    /// The value of a key that has a default.
    pub fn or(self, default: impl Into<Value>, doc: &str) -> Option<T> {
        self.read(Need::Default, &default.into(), doc)?.pop()
    }

    /// The value of a key that may be left out.
    pub fn optional(self, example: impl Into<Value>, doc: &str) -> Option<T> {
        self.read(Need::Optional, &example.into(), doc)?.pop()
    }

    /// The values of a list.
    #[must_use]
    pub fn items<const N: usize>(self, default: [&str; N], doc: &str) -> Option<Vec<T>> {
        self.read(Need::Default, &default.into_iter().collect(), doc)
    }

    /// The values of a list that may be left out.
    #[must_use]
    pub fn optional_items<const N: usize>(self, example: [&str; N], doc: &str) -> Option<Vec<T>> {
        self.read(Need::Optional, &example.into_iter().collect(), doc)
    }

    fn read(self, need: Need, example: &Value, doc: &str) -> Option<Vec<T>> {
        // The example stands in for a wrong or missing value, so that the rest is checked too.
        let Self { keys, name, form, parse } = self;
        let given = keys.table.values.get(name).map_or(&[][..], Vec::as_slice);
        let mut found = None;
        for (value, origin) in given {
            match form.parse(&form.typed(value, origin), parse) {
                Ok(values) => found = Some(values),
                Err(problems) => keys.problems.extend(problems.iter().map(|what| {
                    ConfigProblem::at(origin, format!("{}.{name}: {what}", keys.path))
                })),
            }
        }
        if need == Need::Required && given.is_empty() {
            keys.report(name, "is required");
        }
        keys.record(name, form, doc, need, example);
        if need == Need::Optional {
            found
        } else {
            found.or_else(|| form.parse(example, parse).ok())
        }
    }
}
