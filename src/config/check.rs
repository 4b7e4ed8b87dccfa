//! Problems of a configuration, each with its place, and the values that keys accept.

use std::fmt;
use std::path::Path;

use url::Url;

use crate::config::SEARCHED;
use crate::config::keys::{KEYS, Key, Kind, SECTIONS, nearest};
use crate::config::show::without_credentials;
use crate::config::size::bytes_of;
use crate::config::typed::{Origin, Value};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    origin: Option<Origin>,
    what: String,
}

/// Everything that is wrong, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Puts problems in the order of their places, each once.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// These and more.
    #[must_use]
    pub fn and(self, more: Vec<Problem>) -> Self {
        Self::new(self.0.into_iter().chain(more).collect())
    }

    /// The problems, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl Problem {
    /// Something wrong at a place.
    #[must_use]
    pub fn at(origin: Origin, what: impl Into<String>) -> Self {
        Self { origin: Some(origin), what: what.into() }
    }

    /// Whether it is of a file as a whole, which then said nothing.
    #[must_use]
    pub const fn is_of_file(&self) -> bool {
        matches!(self.origin, Some(Origin::File(_)))
    }

    /// A section that nobody knows.
    #[must_use]
    pub fn unknown_section(origin: Origin, name: &str) -> Self {
        let hint =
            hint(nearest(name, SECTIONS.iter().map(|section| section.name)), |s| format!("[{s}]"));
        Self::at(origin, format!("[{name}]: unknown section{hint}"))
    }

    /// A key that its section does not know; perhaps another one does.
    #[must_use]
    pub fn unknown_key(origin: Origin, section: &str, name: &str) -> Self {
        let in_section = KEYS.iter().filter(|key| key.section == section).map(|key| key.name);
        let elsewhere = || KEYS.iter().find(|key| key.name == name);
        let hint = match nearest(name, in_section) {
            Some(near) => format!("; did you mean {section}.{near}?"),
            None => hint(elsewhere(), |key| format!("{}.{}", key.section, key.name)),
        };
        let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        Self::at(origin, format!("{path}: unknown key{hint}"))
    }

    /// Something wrong that has no place.
    #[must_use]
    pub fn of_all(what: String) -> Self {
        Self { origin: None, what }
    }

    /// No backend at all.
    #[must_use]
    pub fn no_backend(file: Option<&Path>) -> Self {
        let looked = match file {
            Some(file) => file.display().to_string(),
            None => SEARCHED.join(", "),
        };
        Self {
            origin: None,
            what: format!(
                "no backend is configured (looked in {looked} and the environment): add a section \
                 [gitea], [oci] or [local], for example\n\n    [local]\n    path = \"extensions\"\n\n  \
                 or try the sample catalog with --demo"
            ),
        }
    }
}

fn hint<T>(found: Option<T>, show: impl Fn(T) -> String) -> String {
    found.map_or_else(String::new, |found| format!("; did you mean {}?", show(found)))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} problem{} in the configuration", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// Whether a key takes a value; the words say what it takes instead.
///
/// # Errors
/// What is wrong, to stand behind the key's name.
pub fn accept(key: &Key, value: &Value) -> Result<(), String> {
    match (key.kind, value) {
        (Kind::Text, Value::Text(text)) if text.contains('\0') => {
            Err("must hold no NUL character, which no file, host or name has".to_owned())
        }
        (Kind::Text, Value::Text(text)) if !text.trim().is_empty() => Ok(()),
        (Kind::Text, Value::Text(_)) => Err("must not be empty".to_owned()),
        (Kind::Url, Value::Text(text)) => web_address(text),
        (Kind::Word(words), Value::Text(text)) if words.contains(&text.as_str()) => Ok(()),
        (Kind::Word(words), Value::Text(text)) => {
            let hint = hint(nearest(text, words.iter().copied()), |word| format!("{word:?}"));
            Err(format!("must be one of {}, not {text:?}{hint}", words.join(", ")))
        }
        (Kind::Flag, Value::Flag(_)) => Ok(()),
        (Kind::Whole(min, max), Value::Whole(number))
            if u64::try_from(*number).is_ok_and(|number| (min..=max).contains(&number)) =>
        {
            Ok(())
        }
        (Kind::Whole(min, max), Value::Whole(number)) => {
            Err(format!("must be from {min} to {max}, not {number}"))
        }
        (Kind::Bytes, Value::Text(text)) if bytes_of(text).is_some() => Ok(()),
        (Kind::Bytes, Value::Text(text)) => {
            Err(format!("must be bytes such as \"10GiB\", \"500MB\" or \"0\", not {text:?}"))
        }
        (Kind::List, Value::List(_)) => Ok(()),
        (kind, value) => Err(format!("must be {}, not {}", wanted(kind), value.described())),
    }
}

fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Text => "text in quotes".to_owned(),
        Kind::Url => "an address in quotes".to_owned(),
        Kind::Word(words) => format!("one of {}, in quotes", words.join(", ")),
        Kind::Flag => "true or false".to_owned(),
        Kind::Whole(min, max) => format!("a whole number from {min} to {max}"),
        Kind::Bytes => "bytes in quotes, such as \"10GiB\"".to_owned(),
        Kind::List => "a list of texts in brackets".to_owned(),
    }
}

fn web_address(text: &str) -> Result<(), String> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    let host = Some(rest).filter(|_| is_web).and_then(|rest| rest.split('/').next());
    let host = host.unwrap_or_default();
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '@') {
        return Err(format!(
            "must be http:// or https:// and a host, without credentials, not {:?}",
            without_credentials(text)
        ));
    }
    let stray = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
    if text.contains(stray) {
        return Err(format!(
            "must be an address without query, fragment and white space, not {:?}",
            without_credentials(text)
        ));
    }
    match Url::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(format!("is no address ({error}): must be such as https://git.example.com/sub"))
        }
    }
}
