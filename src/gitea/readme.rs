//! The README of a release: the file that lies at the root of its tag's commit.

use crate::error::Result;
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::models::{FileRow, TagRow};
use crate::gitea::operations;
use crate::models::readme::{README_MAX, Readme, rank_of};
use crate::models::tag::Tag;

/// The README at a tag of the repository of this name; `None` without a tag or a README of a size
/// that is served.
///
/// The tag's commit is asked for first: of a branch and a tag of one name Gitea takes the branch,
/// and for a name that it does not know the default branch.
///
/// # Errors
/// What asking can bring.
pub(super) async fn read(
    client: &GiteaClient,
    repository: &str,
    tag: &Tag,
) -> Result<Option<Readme>> {
    let Reply::Found(answer) =
        client.ask(operations::TAG, client.urls.tag(repository, tag.as_str())).await?
    else {
        return Ok(None);
    };
    let commit = answer.json::<TagRow>()?.commit.sha;
    let Reply::Found(answer) =
        client.ask(operations::CONTENTS, client.urls.contents(repository, &commit)).await?
    else {
        return Ok(None);
    };
    let Some(file) = best(answer.json()?) else { return Ok(None) };
    let url = client.urls.raw(repository, &file.name, &commit);
    let max = usize::try_from(README_MAX).unwrap_or(usize::MAX);
    let bytes = client.file(url, max).await?;
    Ok(bytes.map(|bytes| Readme::new(file.sha, &bytes)))
}

fn best(files: Vec<FileRow>) -> Option<FileRow> {
    let fits = |file: &FileRow| file.kind == "file" && file.size <= README_MAX;
    let ranked =
        files.into_iter().filter(fits).filter_map(|file| Some((rank_of(&file.name)?, file)));
    ranked
        .min_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)))
        .map(|(_, file)| file)
}
