//! README of a release, from the root folder at its tag's commit.

use registry_core::error::Result;
use registry_core::models::readme::{README_MAX, Readme, rank_of};
use registry_core::models::tag::Tag;

use crate::gitea::client::GiteaClient;
use crate::gitea::labels;
use crate::gitea::models::{FileRow, TagRow};
use crate::http::answer::UpstreamResponse;
use crate::http::json;

/// `None` if there is no such tag, or no README of a supported size. The tag is resolved to its
/// commit first: for a branch and a tag of one name Gitea uses the branch, and for an unknown name
/// the default branch.
pub(super) async fn read(
    client: &GiteaClient,
    repository: &str,
    tag: &Tag,
) -> Result<Option<Readme>> {
    let url = client.urls.tag(repository, tag.as_str());
    let found = client.document::<TagRow>(labels::TAG, &url).await?;
    let Some(tag) = found.granted()? else { return Ok(None) };
    let commit = tag.commit.sha;
    let url = client.urls.contents(repository, &commit);
    let found = client.find(labels::CONTENTS, &url, best).await?;
    let Some(file) = found.granted()?.flatten() else { return Ok(None) };
    let url = client.urls.raw(repository, &file.name, &commit);
    let max = usize::try_from(README_MAX).unwrap_or(usize::MAX);
    let bytes = client.file(url, max).await?;
    Ok(bytes.map(|bytes| Readme::new(file.sha, &bytes)))
}

fn best(folder: &UpstreamResponse) -> Result<Option<FileRow>> {
    let mut best: Option<(usize, FileRow)> = None;
    folder.each_row(|row| {
        let file: FileRow = json::document(row)?;
        let rank = rank_of(&file.name).filter(|_| file.kind == "file" && file.size <= README_MAX);
        // Equal ranks are resolved by name: the choice does not depend on the server's order.
        let Some(rank) = rank else { return Ok(()) };
        let is_better = best.as_ref().is_none_or(|(known, other)| {
            (rank, file.name.as_str()) < (*known, other.name.as_str())
        });
        if is_better {
            best = Some((rank, file));
        }
        Ok(())
    })?;
    Ok(best.map(|(_, file)| file))
}
