//! What a publisher works with, besides the version: rules, credentials and messages.

use registry_oci::realm::TokenHost;
use secrecy::SecretString;

use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind};

/// What may be written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PublishRules {
    /// True if other content may be replaced.
    pub(crate) replaces: bool,
    /// True if nothing is written.
    pub(crate) is_dry_run: bool,
    /// True if a missing repository is made (Gitea).
    pub(crate) creates_repository: bool,
}

/// How publishing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublishOutcome {
    /// The version is there now.
    Published,
    /// The version was there, with the same archive.
    Unchanged,
    /// Nothing was written, since this is a dry run.
    Planned,
}

/// One run of `publish`.
pub(crate) struct PublishJob<'a> {
    pub(crate) rules: PublishRules,
    /// Token of `--token-file` for the target.
    pub(crate) token: Option<SecretString>,
    /// Hosts besides the target that may get the credentials, to make tokens of them.
    pub(crate) token_hosts: Vec<TokenHost>,
    pub(crate) context: &'a Context,
}

impl PublishJob<'_> {
    /// Announces a write, such as `upload the archive`. Returns false in a dry run, which only
    /// prints it.
    pub(crate) fn may(&self, write: &str) -> bool {
        if self.rules.is_dry_run {
            self.context.tell(&format!("would {write}"));
        }
        !self.rules.is_dry_run
    }

    /// Returns how a run ends that got through all writes.
    pub(crate) const fn done(&self) -> PublishOutcome {
        if self.rules.is_dry_run { PublishOutcome::Planned } else { PublishOutcome::Published }
    }

    /// Decides about other content in the place of a version: a failure, or with `--replace` a
    /// warning. `found` is a digest or a description.
    pub(crate) fn replace(&self, place: &str, found: &str) -> Result<(), ClientFailure> {
        if self.rules.replaces {
            self.context.tell(&format!(
                "warning: replacing {place} ({found}): a registry that served it answers 502 to those who pull it, until its operator accepts the change"
            ));
            return Ok(());
        }
        let message = format!("{place} is published already, with other content: {found}");
        Err(ClientFailure::new(FailureKind::Conflict, message)
            .hint("publish a new version; --replace replaces it for everyone"))
    }
}
