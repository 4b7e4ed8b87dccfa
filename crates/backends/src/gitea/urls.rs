//! URLs, built from the configured address: those in responses use `ROOT_URL`, which may differ.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use registry_core::error::{Error, ErrorKind, Result};
use url::Url;

use crate::gitea::settings::Organization;

/// All characters except the unreserved ones of RFC 3986.
const SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Clone, Debug)]
pub(super) struct Urls {
    base: Url,
    organization: Organization,
}

impl Urls {
    /// Fails if the address is not HTTP, or has a user or a password, since callers see it.
    pub(super) fn new(mut base: Url, organization: Organization) -> Result<Self> {
        if !matches!(base.scheme(), "http" | "https") {
            let message = "gitea url must begin with http:// or https://";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if !base.username().is_empty() || base.password().is_some() {
            let message = "gitea url must not hold a user or a password";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base, organization })
    }

    pub(super) fn settings(&self) -> Url {
        self.under(&["api", "v1", "settings", "api"])
    }

    pub(super) fn repositories(&self) -> Url {
        self.under(&["api", "v1", "orgs", self.organization.as_str(), "repos"])
    }

    pub(super) fn organization(&self) -> Url {
        self.under(&["api", "v1", "orgs", self.organization.as_str()])
    }

    pub(super) fn by_number(&self, number: i64) -> Url {
        self.under(&["api", "v1", "repositories", &number.to_string()])
    }

    pub(super) fn topics(&self, name: &str) -> Url {
        self.under(&["api", "v1", "repos", self.organization.as_str(), name, "topics"])
    }

    pub(super) fn feed(&self) -> Url {
        let organization = self.organization.as_str();
        self.under(&["api", "v1", "orgs", organization, "activities", "feeds"])
    }

    pub(super) fn repository(&self, name: &str) -> Url {
        self.under(&["api", "v1", "repos", self.organization.as_str(), name])
    }

    pub(super) fn releases(&self, name: &str) -> Url {
        self.under(&["api", "v1", "repos", self.organization.as_str(), name, "releases"])
    }

    pub(super) fn release(&self, name: &str, tag: &str) -> Url {
        let organization = self.organization.as_str();
        self.under(&["api", "v1", "repos", organization, name, "releases", "tags", tag])
    }

    pub(super) fn tag(&self, name: &str, tag: &str) -> Url {
        let mut segments = vec!["api", "v1", "repos", self.organization.as_str(), name, "tags"];
        // This endpoint expects an unescaped slash, unlike the others.
        segments.extend(tag.split('/'));
        self.under(&segments)
    }

    pub(super) fn contents(&self, name: &str, commit: &str) -> Url {
        let organization = self.organization.as_str();
        at(self.under(&["api", "v1", "repos", organization, name, "contents"]), commit)
    }

    pub(super) fn raw(&self, name: &str, file: &str, commit: &str) -> Url {
        let organization = self.organization.as_str();
        at(self.under(&["api", "v1", "repos", organization, name, "raw", file]), commit)
    }

    /// Returns the URL of an asset's content, which does not depend on the name or the tag.
    pub(super) fn attachment(&self, uuid: &str) -> Url {
        self.under(&["attachments", uuid])
    }

    pub(super) fn page(&self, name: &str) -> Url {
        self.under(&[self.organization.as_str(), name])
    }

    pub(super) fn download(&self, name: &str, tag: &str, asset: &str) -> Url {
        let organization = self.organization.as_str();
        self.under(&[organization, name, "releases", "download", tag, asset])
    }

    fn under(&self, segments: &[&str]) -> Url {
        let mut path = self.base.path().trim_end_matches('/').to_owned();
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, &SEGMENT));
        }
        let mut url = self.base.clone();
        url.set_path(&path);
        url
    }
}

fn at(mut url: Url, commit: &str) -> Url {
    url.query_pairs_mut().append_pair("ref", commit);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(base: &str) -> Urls {
        Urls::new(base.parse().unwrap(), "org".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_sub_path_is_kept_with_or_without_its_slash() {
        for base in
            ["https://a.example/git", "https://a.example/git/", "https://a.example/git//?x#y"]
        {
            let url = urls(base).releases("aws_prov");
            assert_eq!(url.as_str(), "https://a.example/git/api/v1/repos/org/aws_prov/releases");
        }
        assert_eq!(urls("http://a.example").page("x").as_str(), "http://a.example/org/x");
    }

    #[test]
    fn an_address_with_secrets_or_of_something_else_is_refused() {
        for bad in ["https://me:canary@a.example/", "https://canary@a.example/", "ftp://a.example/"]
        {
            let refused = Urls::new(bad.parse().unwrap(), "org".parse().unwrap()).unwrap_err();
            assert!(!refused.report().contains("canary"), "{refused}");
        }
    }

    #[test]
    fn every_segment_is_encoded() {
        let urls = urls("http://a.example/");
        for (tag, encoded) in [
            ("rel/2025/v3", "rel%2F2025%2Fv3"),
            ("1.0.0+b", "1.0.0%2Bb"),
            ("a b?c#d%2F", "a%20b%3Fc%23d%252F"),
            ("é", "%C3%A9"),
        ] {
            assert!(
                urls.release("r", tag).as_str().ends_with(&format!("/tags/{encoded}")),
                "{tag}"
            );
        }
        let evil = urls.download("r", "1", "../../evil\r\n\".tar.gz");
        assert_eq!(
            evil.as_str(),
            "http://a.example/org/r/releases/download/1/..%2F..%2Fevil%0D%0A%22.tar.gz"
        );
    }
}
