//! Bodies of requests: bytes and files, one after the other, with a known length.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::task::spawn_blocking;

use crate::http::last_piece::LastPiece;

/// Bytes that are read from a file at once.
const PIECE: u64 = 256 * 1024;

/// A part of a body.
#[derive(Clone, Debug)]
pub(crate) enum BodyPart {
    /// Bytes.
    Bytes(Bytes),
    /// The first `size` bytes of a file.
    File {
        /// Open for reading. Its position is neither used nor changed.
        file: Arc<File>,
        /// Length in bytes.
        size: u64,
    },
}

/// A body that can be sent again.
#[derive(Clone, Debug, Default)]
pub(crate) struct UploadBody(Vec<BodyPart>);

impl UploadBody {
    /// Returns the length in bytes.
    pub(crate) fn size(&self) -> u64 {
        let sizes = self.0.iter().map(|part| match part {
            BodyPart::Bytes(bytes) => bytes.len() as u64,
            BodyPart::File { size, .. } => *size,
        });
        sizes.sum()
    }

    /// Makes the body of one request, which notes each piece that is taken.
    pub(super) fn to_body(&self, last_piece: &LastPiece) -> reqwest::Body {
        match self.0.as_slice() {
            [] => reqwest::Body::default(),
            [BodyPart::Bytes(bytes)] => bytes.clone().into(),
            parts => {
                let pieces = stream::iter(parts.to_vec()).flat_map(pieces);
                let last_piece = last_piece.clone();
                reqwest::Body::wrap_stream(pieces.inspect(move |_| last_piece.taken()))
            }
        }
    }
}

impl From<Vec<BodyPart>> for UploadBody {
    fn from(parts: Vec<BodyPart>) -> Self {
        Self(parts)
    }
}

impl<T: Into<Bytes>> From<T> for BodyPart {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

fn pieces(part: BodyPart) -> impl Stream<Item = io::Result<Bytes>> + Send {
    match part {
        BodyPart::Bytes(bytes) => stream::once(async { Ok(bytes) }).left_stream(),
        BodyPart::File { file, size } => {
            stream::try_unfold(0, move |start| next(Arc::clone(&file), start, size)).right_stream()
        }
    }
}

async fn next(file: Arc<File>, start: u64, size: u64) -> io::Result<Option<(Bytes, u64)>> {
    let length = PIECE.min(size - start);
    if length == 0 {
        return Ok(None);
    }
    let read = spawn_blocking(move || {
        let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match read_at(&file, rest, start + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok::<_, io::Error>(piece)
    });
    let piece = read.await.map_err(io::Error::other)??;
    Ok(Some((piece.into(), start + length)))
}

/// Reads at a position, without the file's own.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, position);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, position);
}
