//! Download with Nushell, checked by its `hash sha256`.

use crate::install::quoting::double;
use crate::install::{InstallLine, InstallTarget};

#[expect(clippy::unnecessary_wraps, reason = "the makers have one signature")]
pub(super) fn line(target: &InstallTarget) -> Option<InstallLine> {
    let (name, url) = (double(target.file_name.as_str()), double(&target.url));
    let token = if target.needs_token {
        "--headers {Authorization: $\"Bearer ($env.EXTENSION_REGISTRY_TOKEN)\"} "
    } else {
        ""
    };
    let download = format!("http get --raw {token}{url} | save --raw --force {name}");
    let text = match &target.digest {
        Some(digest) => {
            let hex = digest.hex();
            format!(
                "{download}\nif (open --raw {name} | hash sha256) != \"{hex}\" {{ error make {{msg: \
                 \"digest differs\"}} }}"
            )
        }
        None => download,
    };
    Some(InstallLine { kind: "nushell", label: "Nushell", text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_check_the_digest() {
        let lines = line(&InstallTarget::for_tests()).unwrap().text;
        assert_eq!(
            lines,
            format!(
                "http get --raw \"https://registry.example.com/api/v1/extensions/taskserv/kubernetes/\
                 1.31.0\" | save --raw --force \"kubernetes-1.31.0.tar.gz\"\nif (open --raw \
                 \"kubernetes-1.31.0.tar.gz\" | hash sha256) != \"{}\" {{ error make {{msg: \"digest \
                 differs\"}} }}",
                "ab".repeat(32)
            )
        );
    }
}
