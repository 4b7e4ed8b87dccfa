//! Pull with oras, straight from an OCI registry.

use crate::install::quoting::shell;
use crate::install::{InstallLine, InstallTarget};

pub(super) fn line(target: &InstallTarget) -> Option<InstallLine> {
    let place = target.oci.as_ref()?;
    // By digest the registry cannot answer with other bytes.
    let reference = match &place.manifest {
        Some(digest) => format!("{}/{}@{digest}", place.registry, place.repository),
        None => format!("{}/{}:{}", place.registry, place.repository, place.tag),
    };
    let plain = if place.is_plain_http { " --plain-http" } else { "" };
    let text = format!("oras pull{plain} {}", shell(&reference));
    Some(InstallLine { kind: "oras", label: "oras, from the OCI registry", text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::OciPlace;

    #[test]
    fn a_known_digest_is_pulled_instead_of_the_tag() {
        let place = |manifest| OciPlace {
            registry: "localhost:5000".to_owned(),
            repository: "provisioning/aws-provider".to_owned(),
            tag: "1.0.0".to_owned(),
            manifest,
            is_plain_http: true,
        };
        let text = |manifest| {
            let target = InstallTarget { oci: Some(place(manifest)), ..InstallTarget::for_tests() };
            line(&target).unwrap().text
        };
        let repository = "oras pull --plain-http localhost:5000/provisioning/aws-provider";
        assert_eq!(text(None), format!("{repository}:1.0.0"));
        let digest = "cd".repeat(32);
        assert_eq!(text(digest.parse().ok()), format!("{repository}@sha256:{digest}"));
    }
}
