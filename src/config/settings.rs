//! The values of all places put together over the defaults.

use toml::de::DeValue;

use crate::config::check::Problem;
use crate::config::keys::KEYS;
use crate::config::typed::{Layer, Origin, Value, value_of};

/// All layers put together over the defaults.
#[derive(Clone, Debug)]
pub struct Settings(Layer);

/// A section that is there.
pub struct Present<'a> {
    settings: &'a Settings,
    name: &'a str,
    origin: &'a Origin,
}

impl Settings {
    /// Later layers win.
    #[must_use]
    pub fn merged(layers: Vec<Layer>) -> Self {
        let mut merged = Layer::default();
        for key in KEYS {
            if let Some(value) = key.default.and_then(default_of) {
                let path = (key.section.to_owned(), key.name.to_owned());
                merged.values.insert(path, (value, Origin::Default));
            }
        }
        for layer in layers {
            for (section, origin) in layer.sections {
                merged.sections.entry(section).or_insert(origin);
            }
            merged.values.extend(layer.values);
        }
        Self(merged)
    }

    /// A section, if any place has it.
    #[must_use]
    pub fn section<'a>(&'a self, name: &'a str) -> Option<Present<'a>> {
        let origin = self.0.sections.get(name)?;
        Some(Present { settings: self, name, origin })
    }

    /// A problem with the value of a key, at the place of that value.
    #[must_use]
    pub fn problem(&self, section: &str, name: &str, what: String) -> Problem {
        let origin = self.get(section, name).map_or(Origin::Default, |(_, origin)| origin.clone());
        Problem::at(origin, format!("{section}.{name}: {what}"))
    }

    /// The value of a key, and where it was typed.
    #[must_use]
    pub fn get(&self, section: &str, name: &str) -> Option<&(Value, Origin)> {
        self.0.values.get(&(section.to_owned(), name.to_owned()))
    }

    /// The text of a key.
    #[must_use]
    pub fn text(&self, section: &str, name: &str) -> Option<String> {
        match &self.get(section, name)?.0 {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The flag of a key.
    #[must_use]
    pub fn flag(&self, section: &str, name: &str) -> Option<bool> {
        match self.get(section, name)?.0 {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// The number of a key.
    #[must_use]
    pub fn whole(&self, section: &str, name: &str) -> Option<u64> {
        match self.get(section, name)?.0 {
            Value::Whole(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// The list of a key.
    #[must_use]
    pub fn list(&self, section: &str, name: &str) -> Option<Vec<String>> {
        match &self.get(section, name)?.0 {
            Value::List(items) => Some(items.clone()),
            _ => None,
        }
    }
}

impl Settings {
    /// What the items of a list mean; each that means nothing is a problem, and left out.
    pub(super) fn each<T>(
        &self,
        (section, name): (&str, &str),
        parse: impl Fn(&str) -> Result<T, String>,
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<T>> {
        let mut parsed = Vec::new();
        for item in self.list(section, name)? {
            match parse(&item) {
                Ok(item) => parsed.push(item),
                Err(what) => problems.push(self.problem(section, name, what)),
            }
        }
        Some(parsed)
    }
}

impl Present<'_> {
    /// Whether the required keys of the section have a value; each that has none is a problem.
    pub fn required(&self, problems: &mut Vec<Problem>) -> Option<()> {
        let required = KEYS.iter().filter(|key| key.section == self.name && key.required);
        let missing = required.filter(|key| self.settings.get(self.name, key.name).is_none());
        let missing: Vec<Problem> = missing
            .map(|key| {
                Problem::at(self.origin.clone(), format!("{}.{}: is required", self.name, key.name))
            })
            .collect();
        let complete = missing.is_empty();
        problems.extend(missing);
        complete.then_some(())
    }
}

/// A default as a value.
pub(super) fn default_of(toml: &str) -> Option<Value> {
    DeValue::parse(toml).ok().map(|value| value_of(&value))
}
