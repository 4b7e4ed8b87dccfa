//! Public JSON of the files of an archive, and of the differences of two archives.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is returned about files: entries, or the differences from another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = FilesAnswer)]
pub enum FilesAnswer {
    /// Without `path` and `against`.
    Files(FilesBody),
    /// With `against`.
    Differences(DifferencesBody),
    /// With `path` and `against`.
    Change(Box<FileChangeBody>),
}

/// The entries of the archive of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Files)]
pub struct FilesBody {
    /// `sha256:` and the digest of the archive.
    pub digest: String,
    /// True if entries are left out: those after the first 10,000, and those with paths of more than
    /// 512 bytes.
    pub truncated: bool,
    /// Entries in the order of the archive, each path once: of equal paths the last counts.
    pub entries: Vec<EntryBody>,
}

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Entry)]
pub struct EntryBody {
    /// Path, and value for `?path=`. Backslashes, control characters, invisible characters and bytes
    /// that are not UTF-8 are escaped, such as `\\`, `\n`, `\u{202e}` and `\xff`.
    #[schema(example = "aws/main.k")]
    pub path: String,
    /// `file`, `directory`, `symlink`, `hardlink`, or the name of another kind, such as `fifo`.
    #[schema(example = "file")]
    pub kind: String,
    /// Length of a file in bytes; 0 for other kinds.
    pub size: u64,
    /// Permissions as four octal digits; `null` if the archive has none.
    #[schema(example = "0644")]
    pub mode: Option<String>,
    /// SHA-256 of a file's content in hexadecimal digits.
    pub sha256: Option<String>,
    /// Target of a link, escaped like `path`.
    pub link: Option<String>,
    /// Properties to notice: `path outside the archive`, `link out of the archive`, `set-uid`,
    /// `set-gid`, `world-writable`, `special`, `duplicate path`.
    pub marks: Vec<String>,
}

/// The differences of the archives of two versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileDifferences)]
pub struct DifferencesBody {
    /// Digest of the archive that `against` names.
    pub from_digest: String,
    /// Digest of the archive of the version.
    pub to_digest: String,
    /// True if entries of either archive are left out, so that differences may be missing.
    pub truncated: bool,
    /// Entries of the version alone.
    pub added: Vec<EntryBody>,
    /// Entries of `against` alone.
    pub removed: Vec<EntryBody>,
    /// Entries with another kind, mode, link or content. If each archive has a single top directory,
    /// paths below it are compared.
    pub changed: Vec<FileChangeBody>,
}

/// The difference of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileChange)]
pub struct FileChangeBody {
    /// Path in the version, or else in `against`.
    pub path: String,
    /// Entry in `against`; `null` if it was added.
    pub from: Option<EntryBody>,
    /// Entry in the version; `null` if it was removed.
    pub to: Option<EntryBody>,
    /// Difference of the contents; `null` unless both are files with different contents.
    pub diff: Option<DiffBody>,
}

/// The difference of the contents of two files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Diff)]
pub struct DiffBody {
    /// `text`; or the reason for its lack: `binary`, `too_long` (more than 512 KiB), `too_different`,
    /// or `left_out` (request it with `path`).
    #[schema(example = "text")]
    pub state: String,
    /// Number of added lines.
    pub added: Option<usize>,
    /// Number of removed lines.
    pub removed: Option<usize>,
    /// Hunks in the unified format.
    pub unified: Option<String>,
}
