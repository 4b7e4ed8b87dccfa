//! Download with the command line client, which checks the digest itself.

use crate::install::quoting::shell;
use crate::install::{InstallLine, InstallTarget};

#[expect(clippy::unnecessary_wraps, reason = "the makers have one signature")]
pub(super) fn line(target: &InstallTarget) -> Option<InstallLine> {
    let reference = shell(&format!("{}@{}", target.id, target.version));
    let text = format!("extreg pull {reference} --server {}", shell(&target.server));
    Some(InstallLine { kind: "extreg", label: "extreg", text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_version_and_the_registry() {
        assert_eq!(
            line(&InstallTarget::for_tests()).unwrap().text,
            "extreg pull taskserv/kubernetes@1.31.0 --server https://registry.example.com"
        );
    }
}
