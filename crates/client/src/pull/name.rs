//! Names of files that servers send: never paths.

/// Longest name, in characters (all ASCII). Leaves room for the name of a part.
const MAX: usize = 200;

/// Returns true for a name that is safe on every system.
#[must_use]
pub(crate) fn is_safe(name: &str) -> bool {
    (1..=MAX).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
        && !is_device(name)
}

/// Returns the name of a file from `Content-Disposition`; `None` if it has no safe one.
#[must_use]
pub(crate) fn from_disposition(header: &str) -> Option<String> {
    let (_, rest) = header.split_once("filename=\"")?;
    let (name, _) = rest.split_once('"')?;
    is_safe(name).then(|| name.to_owned())
}

/// Names that Windows reserves, whatever follows the first dot.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered = ["COM", "LPT"]
        .iter()
        .any(|device| stem.strip_prefix(device).is_some_and(|rest| rest.len() == 1 && rest != "0"));
    numbered || ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path_a_flag_or_a_device() {
        for name in ["a-1.0+b.tar.gz", "_x", "aws_prov.tar.gz", "COMPANY.tgz", "com.tgz"] {
            assert!(is_safe(name), "{name}");
        }
        for name in ["", ".", "..", ".x", "-x", "a/b", "a\\b", "a:b", "C:x", "a b", "a\n", "ä"] {
            assert!(!is_safe(name), "{name}");
        }
        for name in ["nul", "CON.tar.gz", "com1.tgz", &"a".repeat(201)] {
            assert!(!is_safe(name), "{name}");
        }
    }

    #[test]
    fn the_name_of_a_download_is_in_quotes() {
        for (header, name) in [
            ("attachment; filename=\"aws-1.2.0.tar.gz\"", Some("aws-1.2.0.tar.gz")),
            ("attachment; filename=\"../x\"", None),
            ("attachment; filename=x", None),
            ("attachment", None),
        ] {
            assert_eq!(from_disposition(header).as_deref(), name);
        }
    }
}
