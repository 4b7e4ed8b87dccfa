//! The part of the configuration that is the same on all replicas of a fleet.

use registry_core::models::backend_kind::BackendKind;
use registry_fleet::config_digest::ConfigDigest;

use crate::app::state::fingerprints;
use crate::config::Config;

/// Returns the digest of the backends in their order, and of the rules by which they own names.
pub(super) fn config_digest(config: &Config) -> ConfigDigest {
    let backends = fingerprints(config).into_iter().map(|(backend, fingerprint)| {
        match backend.kind() {
            // Each replica may have its own directory.
            BackendKind::Local => backend.qualified(),
            _ => format!("{} {fingerprint}", backend.qualified()),
        }
    });
    let (union, takeover) = (config.catalog.union, config.catalog.allow_takeover);
    let rules = format!("union={union} allow_takeover={takeover}");
    ConfigDigest::of(&backends.chain([rules]).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    const GITEA: &str = "[gitea]\nurl = \"https://git.example.com\"\norganization = \"a\"\n";
    const OCI: &str = "[oci]\nregistry = \"oci.example.com\"\nnamespace = \"a\"\n";
    const LOCAL: &str = "[local]\npath = \"layouts\"\n";

    fn digest(text: &str) -> ConfigDigest {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        config_digest(&load(&Sources { file: Some(&file), ..Sources::default() }).unwrap())
    }

    #[test]
    fn what_has_to_be_equal_changes_the_digest() {
        let whole = [GITEA, OCI, LOCAL].concat();
        let named = "[[gitea]]\nname = \"other\"\nurl = \"https://git.example.com\"\norganization = \"a\"\n";
        for other in [
            [GITEA, OCI].concat(),
            [&GITEA.replace("\"a\"", "\"b\""), OCI, LOCAL].concat(),
            [named, OCI, LOCAL].concat(),
            [&whole, "[catalog]\norder = [\"oci\", \"gitea\", \"local\"]\n"].concat(),
            [&whole, "[catalog]\norder = [\"local\", \"gitea\", \"oci\"]\n"].concat(),
            [&whole, "[catalog]\nmerge = \"union\"\n"].concat(),
            [&whole, "[catalog]\nallow_takeover = true\n"].concat(),
        ] {
            assert_ne!(digest(&other), digest(&whole), "{other}");
        }
    }

    #[test]
    fn what_replicas_may_have_of_their_own_does_not_change_the_digest() {
        let whole = [GITEA, OCI, LOCAL].concat();
        for other in [
            whole.replace("layouts", "elsewhere"),
            [LOCAL, OCI, GITEA].concat(),
            [&whole, "[catalog]\norder = [\"gitea\", \"oci\", \"local\"]\n"].concat(),
            [&whole, "[catalog]\nmax_bytes = \"64MiB\"\n[server]\nport = 1\n"].concat(),
            whole.replace("[oci]", "[oci]\ntimeout_seconds = 7"),
        ] {
            assert_eq!(digest(&other), digest(&whole), "{other}");
        }
    }
}
