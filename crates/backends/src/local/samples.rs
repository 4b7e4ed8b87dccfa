//! The sample catalog in the binary, and its conversion to image layouts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use registry_core::models::naming::ExtensionId;
use registry_core::models::oci_manifest::EMPTY_CONFIG;
use registry_packing::layout::LayoutWriter;
use registry_packing::{ArchiveLayer, README, SHEET, Sheet, manifest_of, pack_files};
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "../../samples"]
struct Samples;

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
    // The directory is removed at the end of the demo, so that nothing waits for the disk.
    let mut layout = LayoutWriter::open_temporary(into)?;
    layout.blob(EMPTY_CONFIG)?;
    for release in &sheet.releases {
        let content = content_of(files, &release.version);
        let packed = pack_files(&content)?;
        let digest = layout.blob(&packed)?;
        let title = format!("{}-{}.tar.gz", id.name, release.version);
        let archive = ArchiveLayer { title: &title, digest: &digest, size: packed.len() as u64 };
        let readme = content.get(README).map(Vec::as_slice);
        readme.map(|readme| layout.blob(readme)).transpose()?;
        let [created, notes] =
            [&release.created, &release.notes].map(|text| text.as_deref().unwrap_or_default());
        let annotations = sheet.annotations(&release.version, created, notes);
        let manifest = manifest_of(archive, readme, annotations)
            .ok_or_else(|| io::Error::other(format!("{title} is no archive")))?;
        // OCI tags cannot contain `+`.
        layout.manifest(&manifest, Some(&release.version.replacen('+', "_", 1)))?;
    }
    layout.finish()
}

fn sheet(sample: &str, files: &Files) -> io::Result<Sheet> {
    let text = files.get(SHEET).map(|bytes| String::from_utf8_lossy(bytes));
    let sheet = text.ok_or_else(|| "is missing".to_owned()).and_then(|text| Sheet::parse(&text));
    sheet.map_err(|error| io::Error::other(format!("samples/{sample}/{SHEET}: {error}")))
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
