//! `config.example.toml`, made of the same table that the configuration is checked by.

use crate::config::keys::{KEYS, Key, SECTIONS, Section};

const HEAD: &str = "\
# Every key of the Extension Registry's configuration, with its default or an example.
# A line that begins with `#` and a key shows what the key may be; the service runs without it.
# At least one of [gitea], [oci] and [local] must be there.
";

/// The whole file.
#[must_use]
pub fn render() -> String {
    let mut text = HEAD.to_owned();
    for section in &SECTIONS {
        render_section(&mut text, section);
    }
    text
}

fn render_section(text: &mut String, section: &Section) {
    // One backend stands uncommented, so that the file is valid as it is.
    let mark = if section.optional && section.name != "local" { "# " } else { "" };
    text.push_str(&format!("\n# {}\n{mark}[{}]\n", section.doc, section.name));
    for key in KEYS.iter().filter(|key| key.section == section.name) {
        let mark = if key.default.is_none() && section.name != "local" { "# " } else { mark };
        text.push_str(&line(key, mark));
    }
}

fn line(key: &Key, mark: &str) -> String {
    format!("# {}\n{mark}{} = {}\n", key.doc, key.name, key.example)
}
