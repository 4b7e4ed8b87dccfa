//! Versions of a name in all backends, digest beside digest.

use jiff::Timestamp;

use crate::digest::DigestView;

/// Versions of a name in all backends.
#[derive(Clone, Debug, Default)]
pub struct BackendTable {
    /// Names of the backends, in the order of ownership.
    pub backends: Vec<String>,
    /// Versions, newest first.
    pub versions: Vec<ComparedVersion>,
}

/// One version in all backends.
#[derive(Clone, Debug)]
pub struct ComparedVersion {
    /// The version.
    pub version: String,
    /// One cell for each backend; `None` where the backend does not have the version.
    pub cells: Vec<Option<Cell>>,
}

/// One version in one backend.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Tag as the backend spells it.
    pub tag: String,
    /// Time of publication.
    pub published_at: Option<Timestamp>,
    /// Length of the archive in bytes.
    pub size: Option<u64>,
    /// Digest of the archive; `None` before its first download.
    pub digest: Option<DigestView>,
}

/// Result of the comparison of a version between backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One backend has the version.
    Single,
    /// All digests are equal.
    Same,
    /// Two digests differ.
    Differs,
    /// A digest is not known.
    Unknown,
}

impl Verdict {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Same => "ok",
            Self::Differs => "bad",
            Self::Single | Self::Unknown => "muted",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Single => "one backend",
            Self::Same => "= same",
            Self::Differs => "≠ differs",
            Self::Unknown => "not compared",
        }
    }
}

impl ComparedVersion {
    /// Compares the digests.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut cells = self.cells.iter().flatten().map(|cell| cell.digest.as_ref());
        let (Some(first), rest) = (cells.next(), cells.collect::<Vec<_>>()) else {
            return Verdict::Single;
        };
        if rest.is_empty() {
            return Verdict::Single;
        }
        let known: Vec<&DigestView> =
            first.into_iter().chain(rest.iter().copied().flatten()).collect();
        // A difference is certain even while another digest is unknown.
        if known.iter().zip(known.iter().skip(1)).any(|(one, other)| one != other) {
            return Verdict::Differs;
        }
        if known.len() == rest.len() + 1 { Verdict::Same } else { Verdict::Unknown }
    }

    /// Returns the first two backends that have the version, as sides of a comparison.
    pub(super) fn sides(&self, backends: &[String]) -> Option<(String, String)> {
        let mut sides = self.cells.iter().zip(backends).filter_map(|(cell, backend)| {
            cell.as_ref().map(|cell| format!("{}@{backend}", cell.tag))
        });
        Some((sides.next()?, sides.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(digests: &[Option<&str>]) -> ComparedVersion {
        let cell = |digest: Option<&str>| {
            let digest = digest.map(|one| one.repeat(64).parse().unwrap());
            Some(Cell { tag: "v1".into(), published_at: None, size: None, digest })
        };
        ComparedVersion { version: "1".into(), cells: digests.iter().copied().map(cell).collect() }
    }

    #[test]
    fn digests_are_compared_as_far_as_they_are_known() {
        for (digests, verdict) in [
            (&[][..], Verdict::Single),
            (&[Some("a")], Verdict::Single),
            (&[Some("a"), Some("a")], Verdict::Same),
            (&[Some("a"), Some("b")], Verdict::Differs),
            (&[Some("a"), None], Verdict::Unknown),
            (&[Some("a"), None, Some("b")], Verdict::Differs),
        ] {
            assert_eq!(version(digests).verdict(), verdict, "{digests:?}");
        }
        let backends = ["gitea".to_owned(), "oci".to_owned()];
        let sides = version(&[Some("a"), Some("b")]).sides(&backends);
        assert_eq!(sides, Some(("v1@gitea".to_owned(), "v1@oci".to_owned())));
        assert_eq!(version(&[Some("a")]).sides(&backends), None);
    }
}
