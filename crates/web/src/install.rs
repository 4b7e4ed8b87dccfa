//! Lines that install a version. Every line works as it stands once it is copied.

mod ansible;
mod curl;
mod extreg;
mod nushell;
mod oras;
mod quoting;

use crate::digest::DigestView;
use crate::extension_ref::ExtensionRef;

/// Makers of the lines, in the order of the page. Another kind is one more maker.
const MAKERS: [fn(&InstallTarget) -> Option<InstallLine>; 5] =
    [curl::line, extreg::line, nushell::line, ansible::line, oras::line];

/// Archive to install.
#[derive(Clone, Debug)]
pub struct InstallTarget {
    /// The extension.
    pub id: ExtensionRef,
    /// Version, for names of tasks.
    pub version: String,
    /// Absolute URL of the archive at this service.
    pub url: String,
    /// Absolute URL of this service, without a slash at its end.
    pub server: String,
    /// Name to save the archive under.
    pub file_name: FileName,
    /// Digest of the archive, if known.
    pub digest: Option<DigestView>,
    /// True if the service requires a client token.
    pub needs_token: bool,
    /// OCI registry that keeps the version, if one does.
    pub oci: Option<OciPlace>,
}

/// Place of a version in an OCI registry.
#[derive(Clone, Debug)]
pub struct OciPlace {
    /// Host and port of the registry.
    pub registry: String,
    /// Repository with its namespace.
    pub repository: String,
    /// Tag of the version.
    pub tag: String,
    /// Digest of the manifest, if known.
    pub manifest: Option<DigestView>,
    /// True if the registry is reached over plain HTTP.
    pub is_plain_http: bool,
}

/// File name that is safe in every shell and file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// Returns the nearest safe name: other characters than letters, digits and `._+-` become `_`.
    #[must_use]
    pub fn near(text: &str) -> Self {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        let name: String = text.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
        // A leading dash reads as a flag, and a leading dot hides the file.
        match name.chars().next() {
            Some(first) if first.is_ascii_alphanumeric() => Self(name),
            _ => Self(format!("archive{name}")),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lines that install a version in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallLine {
    /// Word by which a browser remembers the kind.
    pub kind: &'static str,
    /// Heading of the lines.
    pub label: &'static str,
    /// The lines.
    pub text: String,
}

/// Returns the lines for each way in which this archive can be installed.
#[must_use]
pub fn lines(target: &InstallTarget) -> Vec<InstallLine> {
    MAKERS.iter().filter_map(|make| make(target)).collect()
}

#[cfg(test)]
impl InstallTarget {
    pub(crate) fn for_tests() -> Self {
        use crate::extension_type::TypeView;

        Self {
            id: ExtensionRef::new(TypeView::Taskserv, "kubernetes"),
            version: "1.31.0".to_owned(),
            url: "https://registry.example.com/api/v1/extensions/taskserv/kubernetes/1.31.0"
                .to_owned(),
            server: "https://registry.example.com".to_owned(),
            file_name: FileName::near("kubernetes-1.31.0.tar.gz"),
            digest: "ab".repeat(32).parse().ok(),
            needs_token: false,
            oci: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_safe_and_never_flags() {
        for (text, name) in [
            ("a-1.0+b.tar.gz", "a-1.0+b.tar.gz"),
            ("-rf", "archive-rf"),
            ("../x", "archive.._x"),
            ("a b;c\n'", "a_b_c__"),
            ("", "archive"),
        ] {
            assert_eq!(FileName::near(text).as_str(), name);
        }
    }

    #[test]
    fn oras_is_offered_only_where_a_registry_has_the_version() {
        let mut target = InstallTarget::for_tests();
        let kinds =
            |target: &InstallTarget| lines(target).iter().map(|line| line.kind).collect::<Vec<_>>();
        assert_eq!(kinds(&target), ["curl", "extreg", "nushell", "ansible"]);
        target.oci = Some(OciPlace {
            registry: "oci.example.com".to_owned(),
            repository: "provisioning/kubernetes-taskserv".to_owned(),
            tag: "1.31.0".to_owned(),
            manifest: None,
            is_plain_http: false,
        });
        assert_eq!(kinds(&target), ["curl", "extreg", "nushell", "ansible", "oras"]);
    }
}
