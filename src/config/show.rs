//! The values in force, each with the place it comes from. Nothing secret is shown.

use crate::config::keys::{KEYS, Key, Kind, SECTIONS, Section};
use crate::config::settings::Settings;
use crate::config::typed::Value;

/// Every section as TOML, with the places behind the values.
#[must_use]
pub fn render(settings: &Settings) -> String {
    let sections: Vec<String> =
        SECTIONS.iter().map(|section| render_section(settings, section)).collect();
    sections.join("\n")
}

fn render_section(settings: &Settings, section: &Section) -> String {
    if section.optional && settings.section(section.name).is_none() {
        return format!("# [{}] is not configured\n", section.name);
    }
    let keys = KEYS.iter().filter(|key| key.section == section.name);
    let lines: String = keys.map(|key| line(settings, key)).collect();
    format!("[{}]\n{lines}", section.name)
}

fn line(settings: &Settings, key: &Key) -> String {
    match settings.get(key.section, key.name) {
        Some((value, origin)) => format!("{} = {}  # {origin}\n", key.name, shown(key, value)),
        None => format!("# {} is not set\n", key.name),
    }
}

fn shown(key: &Key, value: &Value) -> String {
    match value {
        Value::Text(text) if key.kind == Kind::Url || key.name == "registry" => {
            quoted(&without_credentials(text))
        }
        Value::Text(text) => quoted(text),
        Value::Flag(flag) => flag.to_string(),
        Value::Whole(number) => number.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Other(kind) => format!("({kind})"),
    }
}

/// Text as TOML: what JSON escapes, TOML reads.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
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
