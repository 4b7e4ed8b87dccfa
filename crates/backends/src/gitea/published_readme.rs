//! The README that a published manifest names, among the files of the release.

use std::sync::Arc;

use registry_core::backend::no_readme;
use registry_core::error::{Error, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;

use crate::gitea::client::GiteaClient;
use crate::gitea::download;
use crate::gitea::published::PublishedManifest;
use crate::oci::documents::{ReadmeAt, readme_of};
use crate::oci::layers::title;
use crate::oci::models::Descriptor;

/// Maximum number of files of one name that are read.
const FILES_MAX: usize = 2;

/// Reads the README of a manifest. `None` if the release lacks the file that the manifest names.
///
/// # Errors
/// [`no_readme`] if the manifest names none, `BackendFaulty` if the file has another digest.
pub(super) async fn read(
    client: &GiteaClient,
    manifest: &PublishedManifest,
    id: &ExtensionId,
    release: &Release,
) -> Result<Option<Readme>> {
    match readme_of(&manifest.document, &[]) {
        None => Err(no_readme(id, release)),
        Some(ReadmeAt::Text(text)) => {
            let digest = Digest::sha256(text.as_bytes());
            Ok(Some(Readme::new(digest.to_string(), text.as_bytes())))
        }
        Some(ReadmeAt::Layer(layer)) => of_layer(client, layer, release).await,
    }
}

async fn of_layer(
    client: &GiteaClient,
    layer: &Descriptor,
    release: &Release,
) -> Result<Option<Readme>> {
    let digest: Digest = layer
        .digest
        .parse()
        .map_err(|error| Error::faulty("A layer of the manifest has no digest").because(error))?;
    let is_named = |file: &&Arc<Artifact>| {
        title(layer) == Some(&*file.file_name) && file.known_size() == Some(layer.size)
    };
    let mut files = release.assets.iter().filter(is_named).take(FILES_MAX).peekable();
    if files.peek().is_none() {
        return Ok(None);
    }
    for file in files {
        let bytes = download::open(client, file, None).await?.collect().await?;
        if digest.matches(&bytes) {
            return Ok(Some(Readme::new(digest.to_string(), &bytes)));
        }
    }
    Err(Error::faulty("The README has another digest than the manifest of the release names"))
}
