//! The manifest and the lock of the directory, or of the nearest one above.

use std::path::PathBuf;

use crate::context::Context;
use crate::failure::{ClientFailure, Result};
use crate::lock::changes::describe;
use crate::lock::file::Lock;
use crate::lock::manifest::{ProjectManifest, Requirement};
use crate::reference::ExtensionReference;
use crate::settings::find_manifest;

/// A manifest with its lock.
pub(super) struct Project {
    pub(super) manifest: ProjectManifest,
    /// The lock; empty if it is missing.
    pub(super) lock: Lock,
    pub(super) lock_path: PathBuf,
}

impl Project {
    /// Finds the project. `None` without a manifest.
    pub(super) fn find(context: &Context) -> Result<Option<Self>> {
        find_manifest(&context.directory)?.map(Self::of).transpose()
    }

    /// Finds the project of a command that needs one.
    pub(super) fn required(context: &Context) -> Result<Self> {
        Self::find(context)?.ok_or_else(|| {
            let directory = context.directory.display();
            let message = format!("there is no extensions.toml in {directory} or above");
            ClientFailure::usage(message).hint("extreg add provider/NAME makes one")
        })
    }

    /// The project of a manifest.
    pub(super) fn of(manifest: ProjectManifest) -> Result<Self> {
        let lock_path = manifest.lock_path();
        let lock = Lock::read(&lock_path)?.unwrap_or_default();
        Ok(Self { manifest, lock, lock_path })
    }

    /// Returns the requirement that a name of the command line means.
    pub(super) fn requirement(&self, name: &ExtensionReference) -> Result<&Requirement> {
        let mut found =
            self.manifest.requirements().iter().filter(|requirement| name.means(&requirement.id));
        match (found.next(), found.next()) {
            (Some(requirement), None) => Ok(requirement),
            (None, _) => {
                Err(ClientFailure::usage(format!("{} is not in extensions.toml", name.name)))
            }
            (Some(one), Some(other)) => {
                let message = format!("{} is not unique: {}, {}", name.name, one.id, other.id);
                Err(ClientFailure::usage(message).hint("write the type before the name"))
            }
        }
    }

    /// Prints what differs in a new lock, and writes it, unless this is a dry run.
    pub(super) fn write(&self, new: &Lock, is_dry_run: bool, context: &Context) -> Result<()> {
        for line in describe(&self.lock, new) {
            context.tell(&line);
        }
        if is_dry_run { Ok(()) } else { new.write(&self.lock_path) }
    }
}
