//! The sample catalog in the binary, and its conversion to image layouts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use registry_core::models::naming::ExtensionId;
use rust_embed::{Embed, EmbeddedFile};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::local::pack::{ARCHIVE, LayoutWriter, archive};

#[derive(Embed)]
#[folder = "../../samples"]
struct Samples;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    description: String,
    authors: String,
    source: String,
    license: String,
    keywords: Vec<String>,
    release: Vec<SheetRelease>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SheetRelease {
    version: String,
    created: String,
    notes: String,
}

/// Files of one directory by relative path.
type Files = BTreeMap<String, Vec<u8>>;

/// Packs every sample into a layout below a directory and returns their number. Fails if a file
/// cannot be written; a test excludes an invalid sample.
pub fn unpack_samples(into: &Path) -> io::Result<usize> {
    let mut samples: BTreeMap<String, Files> = BTreeMap::new();
    for path in Samples::iter() {
        if let Some((sample, rest)) = path.split_once('/')
            && let Some(EmbeddedFile { data, .. }) = Samples::get(&path)
        {
            samples
                .entry(sample.to_owned())
                .or_default()
                .insert(rest.to_owned(), data.into_owned());
        }
    }
    for (sample, files) in &samples {
        pack_sample(&into.join(sample), sample, files)?;
    }
    Ok(samples.len())
}

fn pack_sample(into: &Path, sample: &str, files: &Files) -> io::Result<()> {
    let id = ExtensionId::from_oci_repository(sample)
        .ok_or_else(|| io::Error::other(format!("sample {sample} has no extension's name")))?;
    let sheet = sheet(sample, files)?;
    let mut layout = LayoutWriter::create(into)?;
    for release in &sheet.release {
        let content = content_of(files, &release.version);
        let title = format!("{}-{}.tar.gz", id.name, release.version);
        let mut layers = vec![layout.layer(ARCHIVE, &title, &archive(&content)?)?];
        if let Some(readme) = content.get("README.md") {
            layers.push(layout.layer("text/markdown", "README.md", readme)?);
        }
        let manifest = layout.extension(&layers, &annotations(&sheet, release))?;
        // OCI tags cannot contain `+`.
        layout.tag(&release.version.replacen('+', "_", 1), manifest);
    }
    layout.finish()
}

fn sheet(sample: &str, files: &Files) -> io::Result<Sheet> {
    let bytes = files.get("extension.toml").ok_or_else(|| "is missing".to_owned());
    let sheet = bytes.and_then(|bytes| toml::from_slice(bytes).map_err(|error| error.to_string()));
    sheet.map_err(|error| io::Error::other(format!("samples/{sample}/extension.toml: {error}")))
}

/// Returns the files of one version: the common files, overlaid with the version's own.
fn content_of(files: &Files, version: &str) -> Files {
    let mut content = Files::new();
    for folder in ["files/", &format!("releases/{version}/")] {
        let below = files.iter().filter_map(|(path, bytes)| {
            Some((path.strip_prefix(folder)?.to_owned(), bytes.clone()))
        });
        content.extend(below);
    }
    content
}

fn annotations(sheet: &Sheet, release: &SheetRelease) -> Value {
    json!({
        "org.opencontainers.image.description": sheet.description,
        "org.opencontainers.image.authors": sheet.authors,
        "org.opencontainers.image.source": sheet.source,
        "org.opencontainers.image.licenses": sheet.license,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.created": release.created,
        "io.artifacthub.package.keywords": sheet.keywords.join(","),
        "io.artifacthub.package.changes": release.notes,
    })
}
