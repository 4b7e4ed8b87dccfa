//! `extensions.lock`: made by the program alone, with the same bytes on every machine.

use std::ops::Range;
use std::path::Path;

use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::Tag;
use toml_edit::{Item, TableLike, Value};

use crate::failure::Result;
use crate::lock::entry::LockedEntry;
use crate::lock::replace::replace;
use crate::lock::source::Source;
use crate::pull::name::is_safe;

const HEADER: &str =
    "# extensions.lock: made by extension-registry, do not edit. Keep it in version control.\n";
/// Version of the form that this program reads and writes.
const VERSION: i64 = 1;
const KEYS: [&str; 10] = [
    "id",
    "requested",
    "version",
    "tag",
    "source",
    "backend",
    "file",
    "size",
    "digest",
    "manifest",
];

/// The locked extensions of a project, sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    entries: Vec<LockedEntry>,
    /// Keys of other releases of this program, with their values as TOML.
    unknown: Vec<(String, String)>,
}

impl Lock {
    /// Reads a lock. `None` if the file does not exist.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        Source::read(path)?.map(|source| parse(&source)).transpose()
    }

    /// Returns the lock with other entries.
    pub(crate) fn with_entries(&self, mut entries: Vec<LockedEntry>) -> Self {
        entries.sort_by_key(LockedEntry::sort_key);
        Self { entries, unknown: self.unknown.clone() }
    }

    /// Returns the entries.
    pub(crate) fn entries(&self) -> &[LockedEntry] {
        &self.entries
    }

    /// Returns the entry of an extension.
    pub(crate) fn entry(&self, id: &ExtensionId) -> Option<&LockedEntry> {
        self.entries.iter().find(|entry| entry.id == *id)
    }

    /// Writes the lock at once, if it differs from the file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        replace(path, &self.text())
    }

    /// Formats the lock.
    pub(crate) fn text(&self) -> String {
        let head = [("version".to_owned(), VERSION.to_string())];
        let head = head.iter().chain(&self.unknown).map(line).collect::<String>();
        let entries = self.entries.iter().map(entry_text).collect::<String>();
        format!("{HEADER}{head}{entries}")
    }
}

fn entry_text(entry: &LockedEntry) -> String {
    let text = |key: &str, value: &str| Some((key.to_owned(), Value::from(value).to_string()));
    let fields = [
        text("id", &entry.id.to_string()),
        text("requested", &entry.requested),
        text("version", &entry.version),
        text("tag", &entry.tag),
        text("source", &entry.source),
        entry.backend.as_deref().and_then(|backend| text("backend", backend)),
        text("file", &entry.file),
        Some(("size".to_owned(), entry.size.to_string())),
        text("digest", &entry.digest.to_string()),
        entry.manifest.as_deref().and_then(|manifest| text("manifest", manifest)),
    ];
    let lines = fields.iter().flatten().chain(&entry.unknown).map(line);
    format!("\n[[extension]]\n{}", lines.collect::<String>())
}

fn line((key, value): &(String, String)) -> String {
    format!("{key} = {value}\n")
}

fn parse(source: &Source) -> Result<Lock> {
    if let Some(at) = source.text.find('\r') {
        return Err(source.wrong(Some(at..at), "the line ends in CRLF, and a lock has LF").hint(
            "add the line \"extensions.lock text eol=lf\" to .gitattributes and check it out again",
        ));
    }
    if let Some(at) = conflict_marker(&source.text) {
        return Err(source
            .wrong(Some(at..at), "a marker of a merge conflict")
            .hint("keep both sides, remove the markers, and run: extreg lock"));
    }
    let document = source.parse()?;
    let place = document.get("version").and_then(Item::span);
    let version = document.get("version").and_then(Item::as_integer);
    if version != Some(VERSION) {
        let version = version.map_or_else(|| "missing".to_owned(), |version| version.to_string());
        return Err(source
            .wrong(place, &format!("the version of the lock is {version}, not {VERSION}"))
            .hint("use the release of extreg that wrote it"));
    }
    let mut entries: Vec<LockedEntry> = Vec::new();
    if let Some(item) = document.get("extension") {
        let tables = item.as_array_of_tables();
        let wrong = || source.wrong(item.span(), "extension must be written as [[extension]]");
        for table in tables.ok_or_else(wrong)? {
            let entry = entry(source, table, table.span().as_ref())?;
            if entries.iter().any(|other| other.id == entry.id) {
                let reason = format!("{} stands there twice", entry.id);
                return Err(source
                    .wrong(table.span(), &reason)
                    .hint("remove one, and run: extreg lock"));
            }
            entries.push(entry);
        }
    }
    let unknown = unknown(document.as_table(), &["version", "extension"]);
    Ok(Lock { unknown, ..Lock::default() }.with_entries(entries))
}

fn entry(
    source: &Source,
    table: &dyn TableLike,
    place: Option<&Range<usize>>,
) -> Result<LockedEntry> {
    let text = |key: &str| -> Result<Option<String>> {
        Ok(source.text_of(key, table.get(key))?.map(str::to_owned))
    };
    let required = |key: &str| {
        text(key)?.ok_or_else(|| source.wrong(place.cloned(), &format!("{key} is missing")))
    };
    let wrong = |key: &str, reason: &str| {
        let span = table.get(key).and_then(Item::span);
        source.wrong(span, &format!("{key} is {reason}"))
    };
    let (id, digest, file, tag) =
        (required("id")?, required("digest")?, required("file")?, required("tag")?);
    if !is_safe(&file) {
        return Err(wrong("file", "no plain name of a file"));
    }
    tag.parse::<Tag>().map_err(|_| wrong("tag", "no tag"))?;
    let size = table.get("size").and_then(Item::as_integer);
    let size = size.and_then(|size| u64::try_from(size).ok());
    Ok(LockedEntry {
        id: id.parse().map_err(|_| wrong("id", "not written as type/name"))?,
        requested: required("requested")?,
        version: required("version")?,
        tag,
        source: required("source")?,
        backend: text("backend")?,
        file,
        size: size.ok_or_else(|| source.wrong(place.cloned(), "size must be a number of bytes"))?,
        digest: digest.parse().map_err(|_| wrong("digest", "no digest"))?,
        manifest: text("manifest")?,
        unknown: unknown(table, &KEYS),
    })
}

/// Returns the place of a line that a merge leaves behind.
fn conflict_marker(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| line.starts_with(mark)) {
            return Some(start);
        }
        start += line.len();
    }
    None
}

fn unknown(table: &dyn TableLike, known: &[&str]) -> Vec<(String, String)> {
    let others = table.iter().filter(|(key, _)| !known.contains(key));
    let mut others: Vec<(String, String)> = others
        .filter_map(|(key, item)| {
            let mut value = item.clone().into_value().ok()?;
            value.decor_mut().clear();
            Some((key.to_owned(), value.to_string()))
        })
        .collect();
    others.sort();
    others
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn locked(id: &str, version: &str, content: &str) -> LockedEntry {
        use registry_core::models::digest::Digest;

        LockedEntry {
            id: id.parse().unwrap(),
            requested: "^1".to_owned(),
            version: version.to_owned(),
            tag: version.to_owned(),
            source: "oci".to_owned(),
            backend: Some("oci".to_owned()),
            file: "x-1.tar.gz".to_owned(),
            size: content.len() as u64,
            digest: Digest::sha256(content.as_bytes()),
            manifest: None,
            unknown: Vec::new(),
        }
    }

    fn parsed(text: &str) -> Result<Lock> {
        parse(&Source { path: "extensions.lock".into(), text: text.to_owned() })
    }

    #[test]
    fn a_lock_is_sorted_and_comes_back_with_unknown_keys() {
        let entries = vec![locked("taskserv/b", "1.0.0", "b"), locked("provider/a", "1.0.0", "a")];
        let text = Lock::default().with_entries(entries).text();
        let expected = format!(
            "{HEADER}version = 1\n\n[[extension]]\nid = \"provider/a\"\nrequested = \"^1\"\n\
             version = \"1.0.0\"\ntag = \"1.0.0\"\nsource = \"oci\"\nbackend = \"oci\"\n\
             file = \"x-1.tar.gz\"\nsize = 1\ndigest = \"{}\"\n\n[[extension]]\n",
            locked("provider/a", "1", "a").digest
        );
        assert!(text.starts_with(&expected), "{text}");
        let more =
            text.replace("version = 1\n", "version = 1\nnote = [1, 2]\n") + "extra = { a = 1 }\n";
        assert_eq!(parsed(&more).unwrap().text(), more);
    }

    #[test]
    fn faults_are_told_with_their_line() {
        let good = Lock::default().with_entries(vec![locked("provider/a", "1.0.0", "a")]).text();
        let entry = good.split_once("\n\n").unwrap().1;
        for (text, line, part) in [
            (good.replace("version = 1\n", "version = 2\n"), 2, "the version of the lock is 2"),
            (good.replace("version = 1\n", ""), 1, "missing"),
            (good.replace("x-1.tar.gz", "../x"), 11, "no plain name"),
            (good.replace("sha256:", "md5:"), 13, "no digest"),
            (good.replace("size = 1", "size = -1"), 4, "size must be"),
            (good.replace("tag = \"1.0.0\"\n", ""), 4, "tag is missing"),
            (format!("{good}\n{entry}"), 15, "provider/a stands there twice"),
            (format!("{good}<<<<<<< HEAD\n"), 14, "merge conflict"),
            (good.replace('\n', "\r\n"), 1, "CRLF"),
            (format!("{good}["), 14, ""),
        ] {
            let failure = parsed(&text).unwrap_err().to_string();
            assert!(failure.starts_with(&format!("extensions.lock:{line}: ")), "{text}: {failure}");
            assert!(failure.contains(part), "{text}: {failure}");
        }
    }
}
