//! The registry's answer to a requirement, as the lock records it.

use futures_util::future::try_join;
use futures_util::{StreamExt as _, stream};
use registry_core::models::digest::{Algorithm, Digest, DigestHasher};

use crate::failure::{ClientFailure, FailureKind, Result, all};
use crate::http::Registry;
use crate::lock::entry::LockedEntry;
use crate::lock::manifest::Requirement;
use crate::pull::item::Item;
use crate::resolve::{find_release, metadata};

/// Requirements that are asked for at once.
const AT_ONCE: usize = 8;

/// Asks for all requirements, or joins the failures.
pub(crate) async fn answer_all(
    registry: &Registry,
    requirements: &[&Requirement],
) -> Result<Vec<LockedEntry>> {
    let answers = requirements.iter().map(|requirement| answer(registry, requirement));
    let answers: Vec<_> = stream::iter(answers).buffered(AT_ONCE).collect().await;
    all(answers)
}

async fn answer(registry: &Registry, requirement: &Requirement) -> Result<LockedEntry> {
    let Requirement { id, requested, wanted, question } = requirement;
    let release = find_release(registry, id, wanted, question).await?;
    let metadata = metadata(registry, id, &release.version.tag, question);
    let item = Item::of_release(registry, &release, None, question);
    let (metadata, item) = try_join(metadata, item).await?;
    let (size, digest) = match (item.size, item.digest.clone()) {
        (Some(size), Some(digest)) => (size, digest),
        // The download makes the digest known: the registry pins it.
        _ => hash(registry, &item).await?,
    };
    Ok(LockedEntry {
        id: id.clone(),
        requested: requested.clone(),
        version: item.version,
        tag: item.tag,
        source: item.source,
        backend: Some(item.backend),
        file: item.file,
        size,
        digest,
        manifest: metadata.manifest_digest,
        unknown: Vec::new(),
    })
}

async fn hash(registry: &Registry, item: &Item) -> Result<(u64, Digest)> {
    let mut response = registry.open(&item.target, None).await?;
    let (mut size, mut hasher) = (0, DigestHasher::new(Algorithm::Sha256));
    let broken = |error: reqwest::Error| {
        let message = format!("{} {}: the download broke off: {error}", item.id, item.version);
        ClientFailure::new(FailureKind::Unavailable, message).hint("try again")
    };
    while let Some(piece) = response.chunk().await.map_err(broken)? {
        hasher.update(&piece);
        size += piece.len() as u64;
    }
    Ok((size, hasher.finish()))
}
