//! What was typed: values from a file, the environment and flags, each with its place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::SEARCHED;
use crate::config::check::{Problem, accept};
use crate::config::keys::{Key, Kind, SECTIONS, find};

/// What environment variables of ours begin with.
const ENVIRONMENT: &str = "EXTENSION_REGISTRY__";
/// Where systemd names the directories of `StateDirectory=`.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// A value as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// True or false.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Texts.
    List(Vec<String>),
    /// Something that no key takes, by its kind.
    Other(&'static str),
}

impl Value {
    /// Its kind, for people.
    #[must_use]
    pub const fn described(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Flag(_) => "true or false",
            Self::Whole(_) => "a number",
            Self::List(_) => "a list",
            Self::Other(kind) => kind,
        }
    }
}

/// Where a value was typed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A file as a whole.
    File(PathBuf),
    /// A line of a file, counted from 1.
    Line(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Default => write!(f, "default"),
        }
    }
}

/// One place's values by section and key, and where its sections begin.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    pub(crate) sections: BTreeMap<String, Origin>,
    pub(crate) values: BTreeMap<(String, String), (Value, Origin)>,
}

impl Layer {
    /// Takes a value if its key is known and takes it.
    fn take(
        &mut self,
        key: Option<&Key>,
        section: &str,
        name: &str,
        value: Value,
        origin: Origin,
    ) -> Option<Problem> {
        let Some(key) = key else {
            return Some(Problem::unknown_key(origin, section, name));
        };
        let wrong = accept(key, &value).err();
        // A wrong value is kept as one that nothing reads, so that it does not count as missing.
        let value = if wrong.is_some() { Value::Other("wrong") } else { value };
        self.sections.entry(section.to_owned()).or_insert_with(|| origin.clone());
        self.values.insert((section.to_owned(), name.to_owned()), (value, origin.clone()));
        wrong.map(|wrong| Problem::at(origin, format!("{section}.{name}: {wrong}")))
    }
}

/// The values of a file: the one named, or the first found of those searched.
#[must_use]
pub fn from_file(named: Option<&Path>) -> (Layer, Vec<Problem>) {
    let path = match named {
        Some(path) => path.to_owned(),
        None => match SEARCHED.iter().map(Path::new).find(|path| path.exists()) {
            Some(path) => path.to_owned(),
            None => return Default::default(),
        },
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => from_text(&path, &text),
        Err(error) => {
            let problem = Problem::at(Origin::File(path), format!("cannot be read: {error}"));
            (Layer::default(), vec![problem])
        }
    }
}

/// The values of a file of this name and content.
#[must_use]
pub fn from_text(path: &Path, text: &str) -> (Layer, Vec<Problem>) {
    let line = |offset: usize| {
        let before = text.get(..offset).unwrap_or(text);
        Origin::Line(path.to_owned(), before.bytes().filter(|byte| *byte == b'\n').count() + 1)
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            Problem::at(line(at), error.message().to_owned())
        })
        .collect();
    let mut layer = Layer::default();
    for (section, content) in document.get_ref() {
        let (name, origin) = (section.get_ref().as_ref(), line(section.span().start));
        let known = SECTIONS.iter().any(|section| section.name == name);
        match content.get_ref() {
            DeValue::Table(keys) if known => {
                layer.sections.insert(name.to_owned(), origin);
                for (key, value) in keys {
                    let (key, at) = (key.get_ref().as_ref(), line(key.span().start));
                    let value = value_of(value);
                    problems.extend(layer.take(find(name, key), name, key, value, at));
                }
            }
            DeValue::Table(_) => problems.push(Problem::unknown_section(origin, name)),
            _ => problems.push(Problem::unknown_key(origin, "", name)),
        }
    }
    (layer, problems)
}

/// A value of TOML as a value of ours.
pub(crate) fn value_of(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map_or(Value::Other("a number of that size"), Value::Whole),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| item.get_ref().as_str().map(ToOwned::to_owned)).collect();
            texts.map_or(Value::Other("a list of anything else"), Value::List)
        }
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Table(_) => Value::Other("a section"),
    }
}

/// What systemd says of a service that it starts: the directory that it made for us, of several,
/// which stand between colons, the first.
#[must_use]
pub fn from_supervisor(variables: &[(String, String)]) -> (Layer, Vec<Problem>) {
    let made = variables.iter().find(|(name, _)| name == STATE_DIRECTORY);
    let first = made.and_then(|(_, value)| value.split(':').next()).filter(|dir| !dir.is_empty());
    let mut layer = Layer::default();
    if let Some(dir) = first {
        let origin = Origin::Environment(STATE_DIRECTORY.to_owned());
        let path = ("cache".to_owned(), "state_dir".to_owned());
        layer.values.insert(path, (Value::Text(dir.to_owned()), origin));
    }
    (layer, Vec::new())
}

/// The values of environment variables that begin with ours.
#[must_use]
pub fn from_environment(variables: &[(String, String)]) -> (Layer, Vec<Problem>) {
    let mut layer = Layer::default();
    let mut problems = Vec::new();
    for (variable, text) in variables {
        let Some(path) = variable.strip_prefix(ENVIRONMENT) else { continue };
        let origin = Origin::Environment(variable.clone());
        let path = path.to_lowercase();
        let (section, name) = path.split_once("__").unwrap_or((&path, ""));
        if !SECTIONS.iter().any(|known| known.name == section) {
            problems.push(Problem::unknown_section(origin, section));
            continue;
        }
        let key = find(section, name);
        let value = key.map_or(Value::Other(""), |key| from_word(key, text));
        problems.extend(layer.take(key, section, name, value, origin));
    }
    (layer, problems)
}

/// The values of flags that stand for keys.
#[must_use]
pub fn from_flags(
    flags: &[(&'static str, &'static str, String, &'static str)],
) -> (Layer, Vec<Problem>) {
    let mut layer = Layer::default();
    let mut problems = Vec::new();
    for (section, name, text, flag) in flags {
        let key = find(section, name);
        let value = key.map_or(Value::Other(""), |key| from_word(key, text));
        problems.extend(layer.take(key, section, name, value, Origin::Flag(flag)));
    }
    (layer, problems)
}

/// A value from where there are no types: what the key takes decides how the word is read.
fn from_word(key: &Key, word: &str) -> Value {
    match key.kind {
        Kind::Text | Kind::Url | Kind::Bytes | Kind::Word(_) => Value::Text(word.to_owned()),
        Kind::Flag => word.parse().map_or_else(|_| Value::Text(word.to_owned()), Value::Flag),
        Kind::Whole(..) => word.parse().map_or_else(|_| Value::Text(word.to_owned()), Value::Whole),
        Kind::List => Value::List(
            word.split(',').map(|item| item.trim().to_owned()).filter(|i| !i.is_empty()).collect(),
        ),
    }
}
