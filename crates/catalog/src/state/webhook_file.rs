//! The file of webhooks that the engine of a fleet does not have yet: a line of JSON for each.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use registry_core::error::Result;
use registry_core::files::folder::Folder;
use registry_core::files::unfinished::Unfinished;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use serde::{Deserialize, Serialize};

use crate::share::requests::RequestId;
use crate::state::file::{Content, Head, Unusable, set_aside, unwritable};
use crate::stored::text::Text;
use crate::stored::{backend_text, from_json, read_backend, read_id};

const NAME: &str = "webhooks.json";
/// Version of the format. It is raised when an older service would misread the file.
const VERSION: u32 = 1;
/// Prefix of temporary files.
pub(super) const UNFINISHED: &str = ".webhooks.json.unfinished-";

/// A webhook, and the request to the writer that it became.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PendingWebhook {
    pub(crate) backend: BackendId,
    pub(crate) extension: ExtensionId,
    /// Kept, so that the writer recognizes a request that the engine had before a restart.
    pub(crate) request: RequestId,
}

/// Backend, extension and request.
#[derive(Serialize, Deserialize)]
struct Line<'a>(#[serde(borrow)] Text<'a>, Text<'a>, u64);

#[derive(Clone, Debug)]
pub(crate) struct WebhookFile {
    dir: PathBuf,
}

impl WebhookFile {
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Reads the file; nothing if it is absent. Moves a damaged file aside. Fails if a newer release
    /// wrote the file.
    pub(crate) fn read(&self, now: Timestamp) -> Result<Vec<PendingWebhook>> {
        let found = Content::of(&self.dir, NAME, VERSION);
        match found.and_then(|found| Ok(found.map(|found| parsed(&found)).transpose()?)) {
            Ok(webhooks) => Ok(webhooks.unwrap_or_default()),
            Err(Unusable::Newer(error)) => Err(error),
            Err(Unusable::Damaged(error)) => {
                set_aside(&self.dir, NAME, "the file of pending webhooks", &error, now);
                Ok(Vec::new())
            }
        }
    }

    /// Replaces the file: a crash leaves the old content or the new one. Removes it without webhooks.
    pub(crate) fn write(&self, webhooks: &[PendingWebhook]) -> Result<()> {
        let written =
            if webhooks.is_empty() { removed(&self.dir) } else { replaced(&self.dir, webhooks) };
        written.map_err(unwritable)
    }
}

fn replaced(dir: &Path, webhooks: &[PendingWebhook]) -> io::Result<()> {
    let mut payload = Vec::new();
    for PendingWebhook { backend, extension, request } in webhooks {
        let line = Line(backend_text(*backend), extension.to_string().into(), request.0);
        serde_json::to_writer(&mut payload, &line)?;
        payload.push(b'\n');
    }
    let digest = Some(Digest::sha256(&payload).to_string());
    let mut bytes = serde_json::to_vec(&Head { version: VERSION, digest })?;
    bytes.push(b'\n');
    bytes.append(&mut payload);
    let folder = Folder::named(dir)?;
    let (mut file, unfinished) = Unfinished::begin(Folder::named(dir)?, UNFINISHED)?;
    file.write_all(&bytes)?;
    unfinished.finish(&file, &folder, NAME)
}

fn removed(dir: &Path) -> io::Result<()> {
    match Folder::named(dir)?.remove(NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Not flushed: a webhook that comes back with a crash is one read more.
        other => other,
    }
}

fn parsed(found: &Content) -> Result<Vec<PendingWebhook>> {
    let lines = found.payload()?.lines().map(|line| {
        let Line(backend, extension, request) = from_json(line)?;
        Ok(PendingWebhook {
            backend: read_backend(&backend)?,
            extension: read_id(&extension)?,
            request: RequestId(request),
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn webhooks() -> Vec<PendingWebhook> {
        let names = ["provider/one", "provider/other", "taskserv/third"];
        let numbered = names.iter().zip([7, u64::MAX, 1]);
        let webhooks = numbered.map(|(name, number)| PendingWebhook {
            backend: BackendId::GITEA,
            extension: name.parse().unwrap(),
            request: RequestId(number),
        });
        webhooks.collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn webhooks_are_read_back_in_order_and_without_any_there_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = WebhookFile::new(dir.path());
        assert_eq!(file.read(Timestamp::UNIX_EPOCH).unwrap(), []);
        file.write(&webhooks()).unwrap();
        assert_eq!(file.read(Timestamp::UNIX_EPOCH).unwrap(), webhooks());
        file.write(&webhooks()[1..]).unwrap();
        assert_eq!(file.read(Timestamp::UNIX_EPOCH).unwrap(), webhooks()[1..]);
        assert_eq!(names(dir.path()), [NAME]);
        for _ in 0..2 {
            file.write(&[]).unwrap();
            assert_eq!(names(dir.path()), [""; 0]);
        }
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_one_of_a_newer_release_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = (WebhookFile::new(dir.path()), dir.path().join(NAME));
        file.write(&webhooks()).unwrap();
        let whole = fs::read(&path).unwrap();
        let changed = String::from_utf8(whole.clone()).unwrap().replace("one", "two");
        for damaged in [&b""[..], &whole[..whole.len() - 2], changed.as_bytes()] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(file.read(Timestamp::UNIX_EPOCH).unwrap(), []);
            assert_eq!(names(dir.path()), [format!("{NAME}.damaged-0")]);
        }
        fs::remove_file(dir.path().join(format!("{NAME}.damaged-0"))).unwrap();
        let newer = String::from_utf8(whole).unwrap().replace("\"version\":1", "\"version\":2");
        fs::write(&path, &newer).unwrap();
        assert!(file.read(Timestamp::UNIX_EPOCH).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
        assert_eq!(names(dir.path()), [NAME]);
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = WebhookFile::new(dir.path().join("missing"));
        assert_eq!(file.read(Timestamp::UNIX_EPOCH).unwrap(), []);
        assert!(file.write(&webhooks()).is_err());
    }
}
