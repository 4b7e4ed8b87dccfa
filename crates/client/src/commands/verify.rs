//! `verify`: archives and extracted directories against the lock. Sends no request.

use std::path::{Path, PathBuf};

use registry_core::models::digest::{Algorithm, Digest};
use serde::Serialize;

use crate::cli::arguments::VerifyArgs;
use crate::commands::project::Project;
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result};
use crate::lock::entry::LockedEntry;
use crate::lock::file::Lock;
use crate::output::{OutputRow, print_rows};
use crate::pull::existing::{Existing, look_now};
use crate::pull::item::{Item, separate};
use crate::pull::mark::DirectoryMark;
use crate::question::Question;

/// One archive or directory, and how it compares.
#[derive(Serialize)]
struct VerifiedRow {
    id: String,
    version: String,
    path: PathBuf,
    state: &'static str,
    #[serde(skip)]
    failure: Option<ClientFailure>,
}

impl OutputRow for VerifiedRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "VERSION", "STATE", "PATH"];

    fn cells(&self) -> Vec<String> {
        let path = self.path.display().to_string();
        vec![self.id.clone(), self.version.clone(), self.state.to_owned(), path]
    }

    fn name(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }
}

/// Compares paths with the lock.
pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<()> {
    let lock = match &args.lock {
        Some(path) => Lock::read(path)?.ok_or_else(|| {
            ClientFailure::usage(format!("there is no lock at {}", path.display()))
        })?,
        None => Project::required(context)?.lock,
    };
    let names = names(&lock);
    let rows: Vec<VerifiedRow> =
        args.paths.iter().flat_map(|path| verify(path, &lock, &names)).collect();
    print_rows(&rows, context.display)?;
    let failures = rows.into_iter().filter_map(|row| row.failure).collect();
    ClientFailure::join(failures).map_or(Ok(()), Err)
}

/// Returns the names of the archives, in the order of the lock.
fn names(lock: &Lock) -> Vec<String> {
    let items = lock.entries().iter().map(|entry| Item::of_entry(entry, &Question::default()));
    let mut items: Vec<Item> = items.collect();
    separate(&mut items);
    items.into_iter().map(|item| item.file).collect()
}

fn verify(path: &Path, lock: &Lock, names: &[String]) -> Vec<VerifiedRow> {
    if path.is_dir() {
        return match DirectoryMark::read(path) {
            Ok(Some(mark)) => vec![verify_directory(path, &mark, lock)],
            Err(failure) => vec![fault(path, failure)],
            Ok(None) => {
                let entries = lock.entries().iter().zip(names);
                entries.flat_map(|(entry, name)| verify_entry(path, entry, name, lock)).collect()
            }
        };
    }
    let name = path.file_name().unwrap_or_default();
    let entry = lock.entries().iter().zip(names).find(|(_, known)| name == known.as_str());
    let Some((entry, _)) = entry else {
        let message = format!("{} is not in the lock", path.display());
        return vec![fault(path, ClientFailure::new(FailureKind::NotFound, message))];
    };
    vec![verify_file(path, entry)]
}

/// Compares what a directory has of an entry: its archive, its extracted directory, or both.
fn verify_entry(
    directory: &Path,
    entry: &LockedEntry,
    name: &str,
    lock: &Lock,
) -> Vec<VerifiedRow> {
    let extracted = directory.join(entry.id.extension_type.as_str()).join(entry.id.name.as_str());
    let extracted = match DirectoryMark::read(&extracted) {
        Ok(mark) => mark.map(|mark| verify_directory(&extracted, &mark, lock)),
        Err(failure) => Some(fault(&extracted, failure)),
    };
    let archive = directory.join(name);
    let archive = (archive.exists() || extracted.is_none()).then(|| verify_file(&archive, entry));
    archive.into_iter().chain(extracted).collect()
}

fn verify_file(path: &Path, entry: &LockedEntry) -> VerifiedRow {
    let LockedEntry { id, version, digest, .. } = entry;
    let place = path.display();
    let (state, failure) = match look_now(path, digest.algorithm()) {
        Ok(Existing::File(found, _)) if found == *digest => ("ok", None),
        Ok(Existing::File(found, _)) => {
            let message = format!("{place}: the digest is {found}, and the locked one {digest}");
            ("modified", Some(ClientFailure::new(FailureKind::Integrity, message)))
        }
        Ok(Existing::Nothing) => {
            let message = format!("{place} is missing");
            let failure = ClientFailure::new(FailureKind::NotFound, message).hint("extreg pull");
            ("missing", Some(failure))
        }
        Ok(Existing::Other) => {
            let message = format!("{place} is no regular file");
            ("modified", Some(ClientFailure::new(FailureKind::Integrity, message)))
        }
        Err(error) => {
            ("unreadable", Some(ClientFailure::failed(format!("{place} cannot be read: {error}"))))
        }
    };
    let (id, version) = (id.to_string(), version.clone());
    VerifiedRow { id, version, path: path.to_owned(), state, failure }
}

fn verify_directory(path: &Path, mark: &DirectoryMark, lock: &Lock) -> VerifiedRow {
    let DirectoryMark { id, version, digest, files, .. } = mark;
    let place = path.display();
    let entry = lock.entries().iter().find(|entry| entry.id.to_string() == *id);
    let (state, failure) = match entry {
        None => {
            let message = format!("{place} is {id}, which is not in the lock");
            ("unknown", Some(ClientFailure::new(FailureKind::NotFound, message)))
        }
        Some(entry) if entry.version != *version => {
            let message = format!("{place} is {id} {version}, and {} is locked", entry.version);
            (
                "outdated",
                Some(ClientFailure::new(FailureKind::Outdated, message).hint("extreg pull")),
            )
        }
        Some(entry) if entry.digest.to_string() != *digest => {
            let message = format!("{place} was made of {digest}, and {} is locked", entry.digest);
            ("modified", Some(ClientFailure::new(FailureKind::Integrity, message)))
        }
        Some(_) => match files.iter().find_map(|(file, hash)| changed(path, file, hash)) {
            None => ("ok", None),
            Some(reason) => {
                let failure = ClientFailure::new(FailureKind::Integrity, reason);
                (
                    "modified",
                    Some(failure.hint("unpack it again: extreg pull --extract DIR --force")),
                )
            }
        },
    };
    let (id, version) = (id.clone(), version.clone());
    VerifiedRow { id, version, path: path.to_owned(), state, failure }
}

/// Describes a file that is not as it was unpacked.
fn changed(directory: &Path, file: &str, hash: &str) -> Option<String> {
    let path = file.split('/').fold(directory.to_owned(), |path, part| path.join(part));
    let expected: Option<Digest> = format!("sha256:{hash}").parse().ok();
    match look_now(&path, Algorithm::Sha256) {
        Ok(Existing::File(found, _)) if Some(&found) == expected.as_ref() => None,
        Ok(Existing::Nothing) => Some(format!("{} is missing", path.display())),
        Ok(_) => Some(format!("{} was changed since it was unpacked", path.display())),
        Err(error) => Some(format!("{} cannot be read: {error}", path.display())),
    }
}

fn fault(path: &Path, failure: ClientFailure) -> VerifiedRow {
    let (id, version) = ("-".to_owned(), "-".to_owned());
    VerifiedRow { id, version, path: path.to_owned(), state: "unknown", failure: Some(failure) }
}
