//! Forms of values, checked before a text is parsed.

use serde_json::{Value, json};

use crate::config_reader::problems::{ValueOrigin, hint};

/// Pattern of an amount of bytes.
pub const BYTES: &str = "^[0-9]+ *([bB]|[kKmMgGtT][iI]?[bB])?$";
/// Pattern of an address on the web.
pub const WEB: &str = r"^[hH][tT][tT][pP][sS]?://[^/@\s]+(/|$)";

/// Pattern of an address of Redis or Valkey.
pub const REDIS: &str = r"^[rR][eE][dD][iI][sS][sS]?://[^/@?#\s]+(/[0-9]*)?$";

/// Pattern of the path of an address; empty for the root.
const PATH: &str = "^(/[A-Za-z0-9._~-]+)*/?$";

/// Returns the meaning of a text, or the problem.
pub type Parse<T> = fn(&str) -> Result<T, String>;

/// The form of a value.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Text that is not blank.
    Text,
    /// Text of this pattern. Credentials that an address holds by mistake are not shown.
    Pattern(&'static str),
    /// Path of an address, or nothing for the root.
    Path,
    /// A word in this list.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds.
    Whole(i64, i64),
    /// A list of texts.
    List,
}

impl Form {
    pub(super) fn typed(self, value: &Value, origin: &ValueOrigin) -> Value {
        // Environment variables and flags are text; their lists are separated by commas.
        let is_word = matches!(origin, ValueOrigin::Environment(_) | ValueOrigin::Flag(_));
        let Some(word) = value.as_str().filter(|_| is_word) else { return value.clone() };
        let typed = match self {
            Self::Flag => word.parse().ok().map(Value::Bool),
            Self::Whole(..) => word.parse::<i64>().ok().map(Value::from),
            Self::List => {
                let items = word.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.collect())
            }
            _ => None,
        };
        typed.unwrap_or_else(|| value.clone())
    }

    pub(super) fn texts(self, value: &Value) -> Result<Vec<String>, String> {
        let wrong = match (self, value) {
            (Self::List, Value::Array(items)) if items.iter().all(Value::is_string) => {
                return Ok(items.iter().filter_map(Value::as_str).map(str::to_owned).collect());
            }
            (Self::Flag, Value::Bool(_)) => None,
            (Self::Whole(min, max), Value::Number(number)) if number.is_i64() => {
                let is_inside = number.as_i64().is_some_and(|n| (min..=max).contains(&n));
                (!is_inside).then(|| format!("must be from {min} to {max}, not {number}"))
            }
            (Self::OneOf(words), Value::String(text)) => {
                let hint = hint(text, words.iter().copied(), |word| format!("{word:?}"));
                let known = words.contains(&text.as_str());
                (!known).then(|| format!("must be one of {}, not {text:?}{hint}", words.join(", ")))
            }
            (Self::Text | Self::Pattern(_), Value::String(text)) => {
                let has_nul = "must hold no NUL character, which no file, host or name has";
                let is_blank = text.trim().is_empty().then_some("must not be empty");
                text.contains('\0').then_some(has_nul).or(is_blank).map(str::to_owned)
            }
            (Self::Path, Value::String(_)) => None,
            _ => Some(format!("must be {}, not {}", self.described(), described(value))),
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        wrong.map_or_else(|| Ok(vec![text]), Err)
    }

    pub(super) fn parse<T>(self, value: &Value, parse: Parse<T>) -> Result<Vec<T>, Vec<String>> {
        let texts = self.texts(value).map_err(|what| vec![what])?;
        let (mut values, mut problems) = (Vec::new(), Vec::new());
        for text in texts {
            match parse(&text) {
                Ok(value) => values.push(value),
                Err(what) => problems.push(what),
            }
        }
        if problems.is_empty() { Ok(values) } else { Err(problems) }
    }

    fn described(self) -> String {
        match self {
            Self::Text | Self::Pattern(_) | Self::Path => "text in quotes".to_owned(),
            Self::OneOf(words) => format!("one of {}, in quotes", words.join(", ")),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(min, max) => format!("a whole number from {min} to {max}"),
            Self::List => "a list of texts in brackets".to_owned(),
        }
    }

    pub(super) fn schema(self) -> Value {
        match self {
            Self::Text => json!({ "type": "string", "pattern": r"\S" }),
            Self::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
            Self::Path => json!({ "type": "string", "pattern": PATH }),
            Self::OneOf(words) => json!({ "type": "string", "enum": words }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::List => json!({ "type": "array", "items": { "type": "string" } }),
        }
    }

    pub(super) fn shown(self, value: &Value) -> String {
        // As TOML, with `***` for credentials. What JSON escapes, TOML reads.
        match (self, value) {
            (Self::Pattern(_), Value::String(text)) => {
                Value::from(without_credentials(text)).to_string()
            }
            (_, Value::Array(items)) => {
                let items = items.iter().map(|item| match item.as_str() {
                    Some(text) => Value::from(without_credentials(text)).to_string(),
                    None => item.to_string(),
                });
                let items: Vec<String> = items.collect();
                format!("[{}]", items.join(", "))
            }
            _ => value.to_string(),
        }
    }
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::Array(items) if items.iter().all(Value::is_string) => "a list",
        Value::Array(_) => "a list of anything else",
        Value::Object(_) => "a section",
        Value::Null => "a date or a number of that size",
    }
}

/// An address with `***` where a user and a password stood.
#[must_use]
pub fn without_credentials(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), address),
    };
    // A password may hold a slash, so the last @ counts, not the last one before a slash.
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}***@{host}"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn credentials_in_an_address_are_masked() {
        for (address, shown) in [
            ("https://git.example/sub", "https://git.example/sub"),
            ("https://me:secret@git.example/sub", "https://***@git.example/sub"),
            ("https://me:se/cr@t@git.example", "https://***@git.example"),
            ("me:secret@registry.example:5000", "***@registry.example:5000"),
        ] {
            assert_eq!(without_credentials(address), shown);
        }
    }
}
