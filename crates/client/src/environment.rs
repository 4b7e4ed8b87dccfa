//! Variables of the environment, and the directories that they name.

use std::collections::BTreeMap;
use std::path::PathBuf;

const DIRECTORY: &str = "extension-registry";

/// Variables of the environment. An empty variable counts as absent.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Returns the value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns true for `1`, `true` and `yes`.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            ["1", "true", "yes"].iter().any(|word| word.eq_ignore_ascii_case(value))
        })
    }

    /// Returns the directory of the user's settings; `None` without a home.
    #[must_use]
    pub fn config_directory(&self) -> Option<PathBuf> {
        self.directory("XDG_CONFIG_HOME", ".config", "APPDATA")
    }

    /// Returns the directory of files that can be fetched again; `None` without a home.
    #[must_use]
    pub fn cache_directory(&self) -> Option<PathBuf> {
        self.directory("XDG_CACHE_HOME", ".cache", "LOCALAPPDATA")
    }

    fn directory(&self, variable: &str, below_home: &str, windows: &str) -> Option<PathBuf> {
        // A relative path would mean another directory in each place (XDG base directories).
        let told = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let windows = || self.get(windows).map(PathBuf::from).filter(|_| cfg!(windows));
        let home = || self.get("HOME").map(|home| PathBuf::from(home).join(below_home));
        told.or_else(windows).or_else(home).map(|path| path.join(DIRECTORY))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn directories_follow_the_variables_of_the_desktop() {
        for (variables, expected) in [
            (&[("HOME", "/h")][..], Some("/h/.config/extension-registry")),
            (&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")], Some("/c/extension-registry")),
            (&[("HOME", "/h"), ("XDG_CONFIG_HOME", "c")], Some("/h/.config/extension-registry")),
            (&[("HOME", "")], None),
        ] {
            assert_eq!(environment(variables).config_directory(), expected.map(PathBuf::from));
        }
    }

    #[test]
    fn a_switch_is_on_by_a_word() {
        for (value, is_on) in [("1", true), ("True", true), ("0", false), ("", false)] {
            assert_eq!(environment(&[("X", value)]).is_on("X"), is_on, "{value}");
        }
    }
}
