//! Writers of what is published: reproducible archives, and OCI image layouts. All I/O is blocking.
//!
//! [`pack_directory`] and [`pack_files`] write archives, [`Sheet`] reads `extension.toml`, and
//! [`LayoutWriter`](layout::LayoutWriter) adds to a layout while others read it.

mod archive;
mod directory;
mod error;
mod exclusion;
mod hashing_writer;
pub mod layout;
pub mod limits;
mod link;
mod manifest;
mod sheet;
mod stamp;

pub use archive::{PackedArchive, pack_directory, pack_files};
pub use directory::{SourceContent, SourceEntry, scan};
pub use error::{PackError, Result};
pub use exclusion::{Exclusions, InvalidPattern};
pub use hashing_writer::HashingWriter;
pub use manifest::{ArchiveLayer, README, manifest_of};
pub use sheet::{SHEET, Sheet, SheetRelease};
pub use stamp::FileStamp;
