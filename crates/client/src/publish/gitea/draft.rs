//! The draft of one run: filled, checked and published, or rolled back. Until it is published nobody
//! but writers of the repository sees the release or its tag.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::interrupt::InterruptHold;
use crate::publish::gitea::connection::is_unknown;
use crate::publish::gitea::form::UploadForm;
use crate::publish::gitea::mark::DraftMark;
use crate::publish::gitea::models::{GiteaAsset, GiteaRelease};
use crate::publish::gitea::plan::ReleasePlan;
use crate::publish::gitea::releases::RepositoryReleases;

/// Times that a change is tried whose answer was lost.
const ATTEMPTS: usize = 3;
/// Time before another attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// A draft that this run works on.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    releases: RepositoryReleases<'a>,
    plan: &'a ReleasePlan,
    mark: DraftMark,
    id: i64,
    /// Files that this run uploaded.
    uploaded: Vec<GiteaAsset>,
    /// Files that are removed before the release is published: of a release that is replaced. A new
    /// draft may have some too, since Gitea uses the number of a deleted draft again.
    former: Vec<GiteaAsset>,
    /// The published release that the draft replaces.
    replaced: Option<GiteaRelease>,
}

impl<'a> Draft<'a> {
    /// Creates a draft. Its title marks it as that of this run.
    pub(super) async fn create(
        releases: RepositoryReleases<'a>,
        plan: &'a ReleasePlan,
    ) -> Result<Self> {
        let mark = DraftMark::new(&plan.title);
        let body = json!({
            "tag_name": plan.tag, "name": mark.as_str(), "body": plan.notes,
            "draft": true, "prerelease": plan.is_prerelease,
        });
        let mut attempts = 1;
        let created = loop {
            match releases.create(&body).await {
                Ok(release) => break release,
                Err(failure) if is_unknown(&failure) && attempts < ATTEMPTS => {
                    sleep(PAUSE).await;
                    let found = releases.of_tag(&plan.tag).await?;
                    if let Some(ours) = found.filter(|found| found.name == mark.as_str()) {
                        break ours;
                    }
                }
                Err(failure) => return Err(failure),
            }
            attempts += 1;
        };
        let GiteaRelease { id, assets, .. } = created;
        let (uploaded, replaced) = (Vec::new(), None);
        Ok(Self { releases, plan, mark, id, uploaded, former: assets, replaced })
    }

    /// Makes a published release a draft again. It keeps its files until the new ones are there.
    pub(super) async fn hide(
        releases: RepositoryReleases<'a>,
        plan: &'a ReleasePlan,
        published: GiteaRelease,
    ) -> Result<Self> {
        let (mark, id) = (DraftMark::new(&plan.title), published.id);
        let (uploaded, former) = (Vec::new(), published.assets.clone());
        let replaced = Some(published);
        let draft = Self { releases, plan, mark, id, uploaded, former, replaced };
        match draft.edit(&json!({"draft": true, "name": draft.mark.as_str()})).await {
            Ok(_) => Ok(draft),
            Err(failure) => Err(draft.roll_back(failure).await),
        }
    }

    /// Uploads every file, checks all, and publishes the release.
    pub(super) async fn complete(&mut self, hold: &InterruptHold<'_>) -> Result<()> {
        for file in &self.plan.files {
            hold.check()?;
            tokio::select! {
                uploaded = self.upload(file) => { let asset = uploaded?; self.uploaded.push(asset); }
                failure = hold.wait() => return Err(failure),
            }
        }
        hold.check()?;
        self.plan.check_archive().await?;
        for asset in &self.former {
            self.releases.delete_asset(self.id, asset).await?;
        }
        self.check().await?;
        hold.check()?;
        self.publish().await
    }

    async fn upload(&self, file: &UploadForm) -> Result<GiteaAsset> {
        let mut attempts = 1;
        loop {
            match self.releases.upload(self.id, file).await {
                Ok(asset) => return Ok(asset),
                Err(failure) if is_unknown(&failure) && attempts < ATTEMPTS => {
                    sleep(PAUSE).await;
                    if let Some(arrived) = self.arrived(file).await? {
                        return Ok(arrived);
                    }
                }
                Err(failure) if failure.kind() == FailureKind::NotFound => return Err(self.lost()),
                Err(failure) => return Err(failure),
            }
            attempts += 1;
        }
    }

    /// Finds a file whose upload had no answer.
    async fn arrived(&self, file: &UploadForm) -> Result<Option<GiteaAsset>> {
        let release = self.read().await?;
        let is_known =
            |asset: &GiteaAsset| self.uploaded.contains(asset) || self.former.contains(asset);
        Ok(release
            .assets
            .into_iter()
            .find(|asset| !is_known(asset) && asset.name == file.name && asset.size == file.size))
    }

    /// Reads the draft, which must still be that of this run.
    async fn read(&self) -> Result<GiteaRelease> {
        let found = self.releases.read(self.id).await?;
        found.filter(|release| self.is_ours(release)).ok_or_else(|| self.lost())
    }

    fn is_ours(&self, release: &GiteaRelease) -> bool {
        release.draft && release.name == self.mark.as_str()
    }

    /// Checks that the draft is exactly what this run made. A second copy of a file, of an upload whose
    /// answer was lost, is removed: the version would be ambiguous.
    async fn check(&self) -> Result<()> {
        let release = self.read().await?;
        let (ours, strays): (Vec<&GiteaAsset>, Vec<&GiteaAsset>) =
            release.assets.iter().partition(|asset| self.uploaded.contains(asset));
        let is_copy = |stray: &&GiteaAsset| {
            self.uploaded.iter().any(|ours| ours.name == stray.name && ours.size == stray.size)
        };
        let differs = self.replaced.is_none() && release.body != self.plan.notes;
        if ours.len() != self.plan.files.len()
            || differs
            || release.prerelease != self.expected_prerelease()
            || !strays.iter().all(is_copy)
        {
            let message = format!(
                "another user changed the draft of {} in {} while it was published",
                self.plan.tag,
                self.releases.full_name()
            );
            let failure = ClientFailure::new(FailureKind::Conflict, message);
            return Err(failure.hint("run it again when no other publisher works on this version"));
        }
        for file in &self.plan.files {
            let sent = |asset: &&&GiteaAsset| asset.name == file.name && asset.size == file.size;
            if ours.iter().filter(sent).count() != 1 {
                let message = format!(
                    "{} has {} with another name or size than was sent",
                    self.releases.full_name(),
                    file.name
                );
                return Err(ClientFailure::new(FailureKind::Integrity, message));
            }
        }
        for stray in strays {
            self.releases.delete_asset(self.id, stray).await?;
        }
        Ok(())
    }

    fn expected_prerelease(&self) -> bool {
        let former = self.replaced.as_ref().map(|former| former.prerelease);
        former.unwrap_or(self.plan.is_prerelease)
    }

    async fn publish(&self) -> Result<()> {
        // Gitea ignores an empty body, so a replaced release keeps its notes unless there are new ones.
        let body = json!({
            "draft": false, "name": self.plan.title, "body": self.plan.notes,
            "prerelease": self.plan.is_prerelease,
        });
        let published = self.edit(&body).await?;
        // Another run may have taken the draft over since it was checked.
        let is_whole = published.assets.len() == self.uploaded.len()
            && published.assets.iter().all(|asset| self.uploaded.contains(asset));
        if !is_whole {
            self.edit(&json!({"draft": true, "name": self.mark.as_str()})).await?;
            return Err(self.lost());
        }
        Ok(())
    }

    /// Changes the release. After a lost answer it is read: what is done is not done again.
    async fn edit(&self, body: &serde_json::Value) -> Result<GiteaRelease> {
        let mut attempts = 1;
        loop {
            match self.releases.edit(self.id, body).await {
                Ok(release) => return Ok(release),
                Err(failure) if is_unknown(&failure) && attempts < ATTEMPTS => {
                    sleep(PAUSE).await;
                    let found = self.releases.read(self.id).await?.ok_or_else(|| self.lost())?;
                    if body["draft"] == found.draft && body["name"] == found.name.as_str() {
                        return Ok(found);
                    }
                }
                Err(failure) if failure.kind() == FailureKind::NotFound => return Err(self.lost()),
                Err(failure) => return Err(failure),
            }
            attempts += 1;
        }
    }

    fn lost(&self) -> ClientFailure {
        let (tag, place) = (&self.plan.tag, self.releases.full_name());
        let message = format!(
            "the draft of {tag} in {place} is no longer that of this run: another publisher has it"
        );
        ClientFailure::new(FailureKind::Conflict, message)
            .hint("two publishers of one version: run it again to see which one is there")
    }

    /// Undoes everything after a failure. A release that is published is never deleted, and a draft only
    /// while it is that of this run.
    pub(super) async fn roll_back(&self, cause: ClientFailure) -> ClientFailure {
        let undone = self.undo().await;
        let (tag, place) = (&self.plan.tag, self.releases.full_name());
        let (kind, hint) = (cause.kind(), cause.hint_text().map(str::to_owned));
        let told = match undone {
            Ok(Undone::Deleted) => format!("{cause}; nothing of {tag} is left in {place}"),
            Ok(Undone::Restored) => format!("{cause}; {place} has the former {tag} again"),
            Ok(Undone::Published) => format!("{cause}; but {tag} is published in {place}, whole"),
            Ok(Undone::Hidden) => {
                format!("{cause}; the former {tag} is gone, and the new one is not published")
            }
            Ok(Undone::OfOthers) => format!("{cause}; the draft of another publisher stays"),
            Err(failure) => {
                format!("{cause}; and a draft of {tag}, which only writers see, is left: {failure}")
            }
        };
        let failure = ClientFailure::new(kind, told);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure.hint("run it again: it begins anew"),
        }
    }

    async fn undo(&self) -> Result<Undone> {
        let Some(found) = self.releases.read(self.id).await? else { return Ok(Undone::Deleted) };
        if !found.draft && self.uploaded.is_empty() && found.assets == self.former {
            return Ok(Undone::Restored);
        }
        if !found.draft {
            let is_whole = self.uploaded.iter().all(|asset| found.assets.contains(asset))
                && self.uploaded.len() == self.plan.files.len();
            return Ok(if is_whole { Undone::Published } else { Undone::OfOthers });
        }
        if !self.is_ours(&found) {
            // Numbers of drafts are used again, so that the files may be in the draft of another run.
            for asset in self.uploaded.iter().filter(|asset| found.assets.contains(asset)) {
                self.releases.delete_asset(self.id, asset).await?;
            }
            return Ok(Undone::OfOthers);
        }
        let Some(former) = &self.replaced else {
            self.releases.delete(self.id).await?;
            return Ok(Undone::Deleted);
        };
        if !self.former.iter().all(|asset| found.assets.contains(asset)) {
            return Ok(Undone::Hidden);
        }
        for asset in found.assets.iter().filter(|asset| !self.former.contains(asset)) {
            self.releases.delete_asset(self.id, asset).await?;
        }
        let title = if former.name.is_empty() { &former.tag_name } else { &former.name };
        self.edit(&json!({"draft": false, "name": title})).await?;
        Ok(Undone::Restored)
    }
}

/// What is there after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undone {
    Deleted,
    /// The former release, with its files.
    Restored,
    /// The new release: only the answer was lost.
    Published,
    /// The former release was to be replaced, and lost files before the failure.
    Hidden,
    OfOthers,
}
