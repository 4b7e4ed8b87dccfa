//! `extensions.toml`: the registry and the wanted extensions, written by people.

use std::path::{Path, PathBuf};

use registry_core::models::backend_id::InvalidBackendName;
use registry_core::models::backend_kind::InvalidBackendKind;
use registry_core::models::constraint::Constraint;
use registry_core::models::naming::ExtensionId;
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use crate::cli::arguments::ScopeArgs;
use crate::failure::{ClientFailure, Result};
use crate::lock::replace::replace;
use crate::lock::source::Source;
use crate::question::Question;
use crate::reference::Wanted;

const NAME: &str = "extensions.toml";
const LOCK: &str = "extensions.lock";
const REGISTRY: &str = "registry";
const EXTENSIONS: &str = "extensions";
const KEYS: [&str; 4] = ["version", "source", "backend", "prerelease"];

/// The wanted extensions of a project.
#[derive(Clone, Debug)]
pub(crate) struct ProjectManifest {
    source: Source,
    url: Option<String>,
    requirements: Vec<Requirement>,
}

/// A wanted extension.
#[derive(Clone, Debug)]
pub(crate) struct Requirement {
    pub(crate) id: ExtensionId,
    /// Version or range as written.
    pub(crate) requested: String,
    pub(crate) wanted: Wanted,
    pub(crate) question: Question,
}

impl ProjectManifest {
    /// Reads the manifest of a directory. `None` if it has none.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>> {
        Source::read(&directory.join(NAME))?.map(Self::parse).transpose()
    }

    /// Returns an empty manifest for a directory without one.
    pub(crate) fn empty(directory: &Path) -> Self {
        let source = Source { path: directory.join(NAME), text: String::new() };
        Self { source, url: None, requirements: Vec::new() }
    }

    fn parse(source: Source) -> Result<Self> {
        let document = source.parse()?;
        for (key, item) in document.iter() {
            if ![REGISTRY, EXTENSIONS].contains(&key) {
                return Err(source.wrong(item.span(), &format!("unknown key {key}")));
            }
        }
        let registry = table(&source, REGISTRY, document.get(REGISTRY))?;
        let url = registry.and_then(|registry| registry.get("url"));
        let url = source.text_of("registry.url", url)?.map(str::to_owned);
        let mut requirements: Vec<Requirement> = Vec::new();
        if let Some(extensions) = table(&source, EXTENSIONS, document.get(EXTENSIONS))? {
            for (key, item) in extensions.iter() {
                let requirement = requirement(&source, key, item)?;
                if requirements.iter().any(|other| other.id == requirement.id) {
                    return Err(source.wrong(item.span(), &format!("{key} stands there twice")));
                }
                requirements.push(requirement);
            }
        }
        Ok(Self { source, url, requirements })
    }

    /// Returns the address of the registry.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Returns the wanted extensions.
    pub(crate) fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Returns the path of the lock beside the manifest.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.source.path.with_file_name(LOCK)
    }

    /// Sets a wanted extension. Comments and the order of others stay.
    pub(crate) fn set(
        &self,
        id: &ExtensionId,
        requested: &str,
        question: &Question,
    ) -> Result<Self> {
        self.edited(|extensions| {
            let spelled = extensions.iter().map(|(key, _)| key.to_owned());
            let key = spelled
                .into_iter()
                .find(|key| key.parse::<ExtensionId>().is_ok_and(|known| known == *id));
            let key = key.unwrap_or_else(|| id.to_string());
            extensions.insert(&key, requirement_item(requested, question));
        })
    }

    /// Removes a wanted extension.
    pub(crate) fn remove(&self, id: &ExtensionId) -> Result<Self> {
        self.edited(|extensions| {
            extensions.retain(|key, _| key.parse::<ExtensionId>().is_ok_and(|known| known != *id));
        })
    }

    fn edited(&self, edit: impl FnOnce(&mut Table)) -> Result<Self> {
        let mut document: DocumentMut = self.source.parse()?.into_mut();
        let extensions = document.entry(EXTENSIONS).or_insert(Item::Table(Table::new()));
        let extensions = extensions.as_table_mut().ok_or_else(|| {
            let path = self.source.path.display();
            ClientFailure::usage(format!("{path}: [extensions] is written in one line"))
                .hint("write it as a table, one line for each extension")
        })?;
        edit(extensions);
        let text = document.to_string();
        Self::parse(Source { text, path: self.source.path.clone() })
    }

    /// Writes the manifest.
    pub(crate) fn write(&self) -> Result<()> {
        replace(&self.source.path, &self.source.text)
    }
}

fn table<'a>(
    source: &Source,
    name: &str,
    item: Option<&'a Item>,
) -> Result<Option<&'a dyn TableLike>> {
    let Some(item) = item else { return Ok(None) };
    let table = item.as_table_like();
    table.map(Some).ok_or_else(|| source.wrong(item.span(), &format!("{name} must be a table")))
}

fn requirement(source: &Source, key: &str, item: &Item) -> Result<Requirement> {
    let wrong = |reason: &str| source.wrong(item.span(), &format!("{key}: {reason}"));
    let id: ExtensionId =
        key.parse().map_err(|_| wrong("an extension is written as \"type/name\""))?;
    let Some(fields) = item.as_table_like() else {
        let requested = source.text_of(key, Some(item))?.unwrap_or_default();
        let wanted = wanted(requested).ok_or_else(|| wrong("not a range such as ^1.2"))?;
        let question = Question::default();
        return Ok(Requirement { id, requested: requested.trim().to_owned(), wanted, question });
    };
    if let Some((unknown, _)) = fields.iter().find(|(field, _)| !KEYS.contains(field)) {
        return Err(wrong(&format!("unknown key {unknown}; known are {}", KEYS.join(", "))));
    }
    let requested = source.text_of("version", fields.get("version"))?;
    let requested = requested.ok_or_else(|| wrong("version is missing"))?;
    let kind = source.text_of("source", fields.get("source"))?.map(str::parse).transpose();
    let backend = source.text_of("backend", fields.get("backend"))?.map(str::parse).transpose();
    let scope = ScopeArgs {
        source: kind.map_err(|error: InvalidBackendKind| wrong(&error.to_string()))?,
        backend: backend.map_err(|error: InvalidBackendName| wrong(&format!("backend {error}")))?,
    };
    let admits_prereleases = match fields.get("prerelease") {
        None => false,
        Some(item) => item.as_bool().ok_or_else(|| wrong("prerelease must be true or false"))?,
    };
    Ok(Requirement {
        id,
        requested: requested.trim().to_owned(),
        wanted: wanted(requested).ok_or_else(|| wrong("version is not a range such as ^1.2"))?,
        question: Question { scope, admits_prereleases },
    })
}

/// Reads a version of a manifest: without an operator it is a range, as Cargo reads it.
pub(crate) fn wanted(text: &str) -> Option<Wanted> {
    match text.parse().ok()? {
        Wanted::Bare(tag) => match tag.as_str().parse::<Constraint>() {
            Ok(range) => Some(Wanted::Range(range)),
            Err(_) => Some(Wanted::Bare(tag)),
        },
        wanted => Some(wanted),
    }
}

fn requirement_item(requested: &str, question: &Question) -> Item {
    let Question { scope, admits_prereleases } = question;
    if scope.pairs().is_empty() && !admits_prereleases {
        return value(requested);
    }
    let mut fields = InlineTable::new();
    fields.insert("version", requested.into());
    for (name, text) in scope.pairs() {
        fields.insert(name, text.into());
    }
    if *admits_prereleases {
        fields.insert("prerelease", true.into());
    }
    Item::Value(Value::InlineTable(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ProjectManifest> {
        ProjectManifest::parse(Source { path: "extensions.toml".into(), text: text.to_owned() })
    }

    const TEXT: &str = "# ours\n[registry]\nurl = \"https://x.example.com\" # the team's\n\n\
        [extensions]\n\"provider/aws\" = \"^1.2\" # for S3\n\
        \"taskserv/kubernetes\" = { version = \"~1.31\", source = \"gitea\", prerelease = true }\n";

    #[test]
    fn a_manifest_names_the_registry_and_ranges() {
        let manifest = parse(TEXT).unwrap();
        assert_eq!(manifest.url(), Some("https://x.example.com"));
        let [aws, kubernetes] = manifest.requirements() else { panic!("two") };
        assert_eq!(
            (aws.id.to_string(), aws.requested.as_str()),
            ("provider/aws".to_owned(), "^1.2")
        );
        assert!(kubernetes.question.admits_prereleases);
        assert_eq!(kubernetes.question.scope.pairs(), [("source", "gitea".to_owned())]);
        for (text, range) in [("1.2", "^1.2"), ("=1.2.3", "=1.2.3"), ("nightly", "nightly")] {
            assert_eq!(wanted(text).unwrap().to_string(), range);
        }
    }

    #[test]
    fn edits_keep_comments_and_the_rest() {
        let manifest = parse(TEXT).unwrap();
        let id: ExtensionId = "cluster/web".parse().unwrap();
        let added = manifest.set(&id, "^2", &Question::default()).unwrap();
        assert_eq!(added.source.text, format!("{TEXT}\"cluster/web\" = \"^2\"\n"));
        assert_eq!(added.remove(&id).unwrap().source.text, TEXT);
        let aws = "provider/AWS".parse().unwrap();
        let changed = manifest.set(&aws, "^3", &Question::default()).unwrap();
        assert!(
            changed.source.text.contains("\"provider/aws\" = \"^3\""),
            "{}",
            changed.source.text
        );
        let first =
            ProjectManifest::empty(Path::new("x")).set(&id, "^2", &Question::default()).unwrap();
        assert_eq!(first.source.text, "[extensions]\n\"cluster/web\" = \"^2\"\n");
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (text, line, part) in [
            ("[extensions]\n\"aws\" = \"1\"\n", 2, "\"type/name\""),
            ("[extensions]\n\"provider/aws\" = \"^^\"\n", 2, "not a range"),
            ("[extensions]\n\"provider/aws\" = 1\n", 2, "must be text"),
            ("\n[other]\n", 2, "unknown key other"),
            ("[extensions]\n\"provider/aws\" = { version = \"1\", sorce = \"x\" }\n", 2, "sorce"),
            ("[extensions]\n\"provider/aws\" = { source = \"oci\" }\n", 2, "version is missing"),
            ("[extensions]\n\"provider/aws\" = \"1\"\n\"provider/AWS\" = \"1\"\n", 3, "twice"),
            ("[extensions]\n\"provider/aws\" = \"1\"\n\"provider/aws\" = \"1\"\n", 3, "duplicate"),
            ("[registry]\nurl = 1\n", 2, "must be text"),
            ("<<<<<<< HEAD\n", 1, ""),
        ] {
            let failure = parse(text).unwrap_err().to_string();
            assert!(failure.starts_with(&format!("extensions.toml:{line}: ")), "{text}: {failure}");
            assert!(failure.contains(part), "{text}: {failure}");
        }
    }
}
