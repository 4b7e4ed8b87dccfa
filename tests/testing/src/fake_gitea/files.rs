//! Downloads: by name, by uuid, in parts, encoded, or from a store elsewhere.

use std::io::Write as _;

use serde_json::Value;

use super::state::{Repository, State};
use super::{Ask, Reply};

impl State {
    /// `/{owner}/{repository}/releases/download/{tag}/{file}`: as it is spelled, and no drafts.
    pub(super) fn download(
        &self,
        ask: &Ask,
        repository: &Repository,
        tag: &str,
        file: &str,
    ) -> Reply {
        let published = |release: &&Value| release["tag_name"] == tag && release["draft"] == false;
        let release = repository.releases.iter().find(published);
        let assets = release.and_then(|release| release["assets"].as_array());
        match assets.into_iter().flatten().find(|asset| asset["name"] == file) {
            Some(asset) => self.file(ask, asset),
            None => Reply::text(404, "Not Found\n"),
        }
    }

    /// `/attachments/{uuid}`: whatever it is called, drafts included.
    pub(super) fn attachment(&self, ask: &Ask, uuid: &str, sees_private: bool) -> Reply {
        let readable = |one: &&Repository| (sees_private || !one.is_private()) && !one.refused;
        let visible = self.repositories.iter().filter(readable);
        let mut releases = visible.flat_map(|one| &one.releases);
        let asset = releases.find_map(|release| {
            release["assets"].as_array()?.iter().find(|asset| asset["uuid"] == uuid)
        });
        asset.map_or_else(|| Reply::text(404, "Not found.\n"), |asset| self.file(ask, asset))
    }

    /// The bytes of an attachment; made up from its uuid where nobody recorded them.
    pub fn bytes_of(&self, uuid: &str, size: u64) -> Vec<u8> {
        let made_up = || uuid.bytes().cycle().take(usize::try_from(size).unwrap()).collect();
        self.files.get(uuid).cloned().unwrap_or_else(made_up)
    }

    fn file(&self, ask: &Ask, asset: &Value) -> Reply {
        if asset["type"] == "external" {
            let location = asset["browser_download_url"].as_str().unwrap().to_owned();
            return Reply { status: 303, headers: vec![("Location", location)], body: Vec::new() };
        }
        let (uuid, name) = (asset["uuid"].as_str().unwrap(), asset["name"].as_str().unwrap());
        if let Some(store) = &self.store {
            let location = ("Location", format!("{store}/presigned/{uuid}"));
            return Reply { status: 303, headers: vec![location], body: Vec::new() };
        }
        let bytes = self.bytes_of(uuid, asset["size"].as_u64().unwrap());
        let archive = name.ends_with(".gz") || name.ends_with(".zip");
        let accepts =
            ask.headers.get("accept-encoding").map_or("", |value| value.to_str().unwrap());
        if self.gzip && !archive && accepts != "identity" {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes).unwrap();
            let coding = ("Content-Encoding", "gzip".to_owned());
            return Reply { status: 200, headers: vec![coding], body: encoder.finish().unwrap() };
        }
        let kind = if archive { "application/octet-stream" } else { "text/plain; charset=utf-8" };
        let etag = ("Etag", format!("\"{uuid}\""));
        let whole = Reply {
            status: 200,
            headers: vec![
                ("Content-Type", kind.to_owned()),
                ("Accept-Ranges", "bytes".to_owned()),
                ("Content-Length", bytes.len().to_string()),
                etag,
            ],
            body: bytes,
        };
        match ask.headers.get("range") {
            Some(range) => {
                let tagged = self.exchange("download-range-bad").header("Etag").is_some();
                whole.part(range.to_str().unwrap(), tagged)
            }
            None => whole,
        }
    }
}

impl Reply {
    /// A single range of this whole file; `tagged`: one outside it keeps the file's tag.
    fn part(mut self, range: &str, tagged: bool) -> Self {
        let size = self.body.len();
        let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let start: usize = start.parse().unwrap();
        let end = end.parse().map_or(size, |last: usize| (last + 1).min(size));
        self.headers.retain(|(name, _)| *name != "Content-Length");
        if start >= size {
            let mut refused = Self::text(416, "invalid range: failed to overlap\n");
            refused.headers.push(("Content-Range", format!("bytes */{size}")));
            self.headers.retain(|(name, _)| tagged && *name == "Etag");
            refused.headers.append(&mut self.headers);
            return refused;
        }
        self.status = 206;
        self.body = self.body[start..end].to_vec();
        self.headers.push(("Content-Length", self.body.len().to_string()));
        self.headers.push(("Content-Range", format!("bytes {start}-{}/{size}", end - 1)));
        self
    }
}
