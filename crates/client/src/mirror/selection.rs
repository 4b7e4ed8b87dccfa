//! Which extensions and versions are mirrored.

use std::str::FromStr;

use registry_core::models::constraint::{Constraint, Side};
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::version::Version;
use registry_public::extension::VersionBody;

use crate::reference::{ExtensionReference, InvalidReference, Wanted};

/// A rule of `--match`: an extension, and perhaps its versions.
#[derive(Clone, Debug)]
pub struct MatchRule {
    reference: ExtensionReference,
    /// False if the rule names no version: then all match.
    has_version: bool,
}

impl FromStr for MatchRule {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        Ok(Self { reference: text.parse()?, has_version: text.contains('@') })
    }
}

impl MatchRule {
    fn admits(&self, version: &VersionBody, is_latest: bool) -> bool {
        if !self.has_version {
            return true;
        }
        match &self.reference.wanted {
            Wanted::Latest => is_latest,
            Wanted::Range(range) => is_within(version, range),
            Wanted::Bare(tag) => {
                let named = [&version.version, &version.tag].contains(&&tag.as_str().to_owned());
                let range = tag.as_str().parse::<Constraint>().ok();
                named || range.is_some_and(|range| is_within(version, &range))
            }
        }
    }
}

/// Extensions and versions to mirror. Without any rule, everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) extension_type: Option<ExtensionType>,
    pub(crate) rules: Vec<MatchRule>,
    /// Newest versions of each extension to take.
    pub(crate) latest: Option<usize>,
}

impl Selection {
    /// Returns true if some version of the extension may be selected.
    pub(crate) fn admits(&self, id: &ExtensionId) -> bool {
        self.extension_type.is_none_or(|wanted| wanted == id.extension_type)
            && (self.rules.is_empty() || self.rules.iter().any(|rule| rule.reference.means(id)))
    }

    /// Selects among the versions of an extension, which are sorted, the newest first. A pre-release
    /// counts among the newest only if there is nothing else.
    pub(crate) fn select(&self, id: &ExtensionId, all: Vec<VersionBody>) -> Vec<VersionBody> {
        let latest = all.iter().position(|version| !version.prerelease).unwrap_or(0);
        let matches = |place: usize, version: &VersionBody| {
            self.rules.is_empty()
                || self
                    .rules
                    .iter()
                    .any(|rule| rule.reference.means(id) && rule.admits(version, place == latest))
        };
        let matching: Vec<VersionBody> = all
            .into_iter()
            .enumerate()
            .filter(|(place, version)| matches(*place, version))
            .map(|(_, version)| version)
            .collect();
        let Some(latest) = self.latest else { return matching };
        let (finals, prereleases): (Vec<VersionBody>, Vec<VersionBody>) =
            matching.into_iter().partition(|version| !version.prerelease);
        let newest = if finals.is_empty() { prereleases } else { finals };
        newest.into_iter().take(latest).collect()
    }
}

/// Pre-releases are within a range only if it names one.
fn is_within(version: &VersionBody, range: &Constraint) -> bool {
    if version.prerelease && !range.to_string().contains('-') {
        return false;
    }
    let version = version.version.parse::<Version>();
    version.is_ok_and(|version| range.side_of(&version) == Some(Side::Within))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> VersionBody {
        VersionBody {
            version: text.to_owned(),
            published_at: None,
            download_url: None,
            size: None,
            tag: text.to_owned(),
            prerelease: text.contains('-'),
            digest: None,
            source: "local".to_owned(),
            backend: "local".to_owned(),
            href: String::new(),
        }
    }

    fn selected(rules: &[&str], latest: Option<usize>) -> Vec<String> {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let selection = Selection { extension_type: None, rules, latest };
        let id = "provider/aws".parse().unwrap();
        let all = ["3.0.0-rc.1", "2.1.0", "2.0.0", "1.0.0", "nightly"].map(version).to_vec();
        selection.select(&id, all).into_iter().map(|version| version.version).collect()
    }

    #[test]
    fn rules_and_the_number_of_newest_versions_select() {
        for (rules, latest, expected) in [
            (&[][..], None, &["3.0.0-rc.1", "2.1.0", "2.0.0", "1.0.0", "nightly"][..]),
            (&["provider/aws"], None, &["3.0.0-rc.1", "2.1.0", "2.0.0", "1.0.0", "nightly"]),
            (&["aws@>=2"], None, &["2.1.0", "2.0.0"]),
            (&["aws@>=2.1.0, <4"], None, &["2.1.0"]),
            (&["aws@=3.0.0-rc.1"], None, &["3.0.0-rc.1"]),
            (&["aws@2.0"], None, &["2.1.0", "2.0.0"]),
            (&["aws@=1.0.0", "provider/aws@latest"], None, &["2.1.0", "1.0.0"]),
            (&["aws@nightly"], None, &["nightly"]),
            (&["gcp"], None, &[]),
            (&[], Some(2), &["2.1.0", "2.0.0"]),
            (&["aws@1"], Some(2), &["1.0.0"]),
            (&[], Some(0), &[]),
        ] {
            assert_eq!(selected(rules, latest), expected, "{rules:?} {latest:?}");
        }
    }

    #[test]
    fn extensions_are_selected_by_type_and_rule() {
        let selection = |extension_type, rules: &[&str]| Selection {
            extension_type,
            rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            latest: None,
        };
        let id: ExtensionId = "provider/aws".parse().unwrap();
        assert!(selection(None, &[]).admits(&id));
        assert!(selection(Some(ExtensionType::Provider), &["AWS@>=9"]).admits(&id));
        assert!(!selection(Some(ExtensionType::Cluster), &[]).admits(&id));
        assert!(!selection(None, &["taskserv/aws"]).admits(&id));
        assert!("provider/".parse::<MatchRule>().is_err());
    }
}
