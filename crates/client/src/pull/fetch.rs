//! The download of one file into its part: continued where it breaks off.

use std::io;
use std::time::Duration;

use registry_core::models::digest::{Algorithm, Digest};
use reqwest::header::ETAG;
use reqwest::{Response, StatusCode};
use tokio::time::sleep;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::Registry;
use crate::pull::item::{FileHeaders, Item};
use crate::pull::part::PartFile;
use crate::pull::progress::FileProgress;
use crate::pull::writer::PartWriter;

/// Responses in a row that may end without a byte.
const STALLS_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// A complete part.
#[derive(Debug)]
pub(crate) struct FetchedFile {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// True if bytes of an earlier run were used.
    pub(crate) resumed: bool,
}

/// Downloads a file into its part, and writes it to the disk. Does not judge the digest.
pub(crate) async fn fetch(
    registry: &Registry,
    item: &Item,
    part: &PartFile,
    progress: &FileProgress,
) -> Result<FetchedFile> {
    let algorithm = item.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let file = part.file.try_clone().map_err(|error| unwritten(part, &error))?;
    let fits = item.size.is_none_or(|size| part.start <= size);
    let start = if fits { part.start } else { 0 };
    let writer = PartWriter::begin(file, start, algorithm);
    let mut download =
        FileDownload { item, writer, progress, at: start, used: start, entity_tag: None };
    if start == 0 && part.start > 0 {
        download.restart().await;
    }
    let copied = download.copy_all(registry).await;
    let FileDownload { writer, at, used, .. } = download;
    // The writer's own failure explains a copy that could not go on.
    let digest = writer.finish().await.map_err(|error| unwritten(part, &error))?;
    copied?;
    Ok(FetchedFile { digest, size: at, resumed: used > 0 })
}

struct FileDownload<'a> {
    item: &'a Item,
    writer: PartWriter,
    progress: &'a FileProgress,
    /// Bytes that are in the part.
    at: u64,
    /// Bytes of an earlier run that are in the part.
    used: u64,
    entity_tag: Option<String>,
}

impl FileDownload<'_> {
    async fn copy_all(&mut self, registry: &Registry) -> Result<()> {
        let mut stalls = 0;
        while self.at == 0 || self.item.size != Some(self.at) {
            let before = self.at;
            let response = registry.open(&self.item.target, self.rest().as_ref()).await?;
            self.begin(&response).await?;
            let Err(broken) = self.copy(response).await else { return Ok(()) };
            if broken.kind() != FailureKind::Unavailable {
                return Err(broken);
            }
            stalls = if self.at > before { 0 } else { stalls + 1 };
            if stalls == STALLS_MAX {
                return Err(broken);
            }
            sleep(PAUSE * stalls).await;
        }
        Ok(())
    }

    /// Returns the place to go on at, and the entity tag that the file must still have.
    fn rest(&self) -> Option<(u64, String)> {
        // The entity tag of a registry is the digest, if that is known.
        let by_digest = || Some(format!("\"{}\"", self.item.digest.as_ref()?));
        let entity_tag = self.entity_tag.clone().or_else(by_digest)?;
        (self.at > 0).then_some((self.at, entity_tag))
    }

    /// Reads the headers of a response: whole files begin again, and another digest ends the download.
    async fn begin(&mut self, response: &Response) -> Result<()> {
        let headers = response.headers();
        let told = FileHeaders::of(headers).digest;
        if let (Some(told), Some(expected)) = (&told, &self.item.digest)
            && told.algorithm() == expected.algorithm()
            && told != expected
        {
            return Err(self.item.mismatch(told, expected));
        }
        if let Some(tag) = headers.get(ETAG).and_then(|tag| tag.to_str().ok()) {
            self.entity_tag = (!tag.starts_with("W/")).then(|| tag.to_owned());
        }
        if self.at > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            self.restart().await;
        }
        Ok(())
    }

    async fn restart(&mut self) {
        // If the writer has failed, its failure is told at the end.
        self.writer.restart().await;
        (self.at, self.used) = (0, 0);
    }

    async fn copy(&mut self, mut response: Response) -> Result<()> {
        loop {
            let piece = match response.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.broken(&error)),
            };
            let at = self.at + piece.len() as u64;
            if let Some(size) = self.item.size.filter(|size| at > *size) {
                let message = format!("{} is longer than its {size} bytes", self.item.file);
                return Err(ClientFailure::new(FailureKind::Integrity, message));
            }
            if !self.writer.write(piece).await {
                return Err(ClientFailure::failed("the part cannot be written"));
            }
            self.at = at;
            self.progress.set(at);
        }
    }

    fn broken(&self, error: &reqwest::Error) -> ClientFailure {
        let Item { id, version, .. } = self.item;
        let message =
            format!("{id} {version}: the download broke off at byte {}: {error}", self.at);
        ClientFailure::new(FailureKind::Unavailable, message).hint("run it again: it goes on there")
    }
}

/// Describes a part that cannot be written. One that fills the disk does not stay.
fn unwritten(part: &PartFile, error: &io::Error) -> ClientFailure {
    if error.kind() == io::ErrorKind::StorageFull {
        part.remove();
    }
    ClientFailure::failed(format!("{} cannot be written: {error}", part.path.display()))
}
