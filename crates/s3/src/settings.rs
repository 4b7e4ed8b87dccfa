//! Settings of the bucket, as validated types.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use registry_core::bucket::ObjectKey;
use registry_core::config_reader::Section;
use registry_core::config_reader::form::{Form, WEB, without_credentials};
use registry_core::error::{Error, ErrorKind, Result};
use url::Url;

/// Pattern of the address of a bucket.
const STORE: &str = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?$";
/// Lengths of a bucket's name, in bytes (naming rules of S3).
const NAME_LENGTHS: std::ops::RangeInclusive<usize> = 3..=63;

/// Settings of the bucket.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// Name of the bucket, and the prefix of all keys.
    pub location: BucketLocation,
    /// Scheme, host and port of the server, without the bucket; `None` for AWS.
    pub endpoint: Option<Url>,
    /// Region that requests are signed for.
    pub region: Region,
    /// True if the bucket is in the path of URLs instead of in the host.
    pub path_style: bool,
    /// PEM file with certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// True if uploads carry a SHA-256 checksum, which the server compares.
    pub checksums: bool,
}

/// Place of the objects: `s3://bucket` or `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketLocation {
    name: String,
    prefix: Option<ObjectKey>,
}

/// Region of a server: 1 to 32 of `a-z 0-9 -`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region(String);

impl S3Settings {
    /// Reads the keys of the bucket in `[artifacts]`.
    pub fn read(keys: &mut Section<'_>) -> Option<Self> {
        Some(Self {
            location: keys
                .key("store", Form::Pattern(STORE), location)
                .required("s3://extension-registry/production", "Bucket, and perhaps a prefix, that all instances of the service share.")?,
            endpoint: keys
                .key("endpoint", Form::Pattern(WEB), endpoint)
                .optional("https://s3.example.com", "Address of the S3 server, without the bucket. Default: AWS in the region."),
            region: keys
                .text("region")
                .or("us-east-1", "Region that requests are signed for.")?,
            path_style: keys
                .flag("path_style")
                .or(false, "Whether the bucket is in the path of URLs instead of in the host; most servers other than AWS want it.")?,
            ca_file: keys
                .text("ca_file")
                .optional("/path/to/ca.pem", "PEM file with certificates to trust in addition to the system's."),
            checksums: keys
                .flag("checksums")
                .or(true, "Whether uploads carry a SHA-256 checksum, which some servers do not know.")?,
        })
    }

    /// Returns the address that requests go to: with the bucket in the host or not, as configured.
    pub fn address(&self) -> Result<Url> {
        let aws = || format!("https://s3.{}.amazonaws.com", self.region.as_str()).parse();
        let server = self.endpoint.clone().map_or_else(aws, Ok);
        let mut server = server.map_err(|error| unusable().because(error))?;
        if !self.path_style {
            let host = format!("{}.{}", self.location.name, server.host_str().unwrap_or_default());
            server.set_host(Some(&host)).map_err(|error| unusable().because(error))?;
        }
        Ok(server)
    }
}

fn unusable() -> Error {
    Error::new(ErrorKind::Invalid, "The address of the bucket is not usable")
}

impl BucketLocation {
    /// Returns the name of the bucket.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path of an object in the bucket.
    #[must_use]
    pub fn path_of(&self, key: &ObjectKey) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}/{key}"),
            None => key.to_string(),
        }
    }

    /// Returns the key of the object at a path in the bucket; `None` outside the prefix.
    #[must_use]
    pub fn key_of(&self, path: &str) -> Option<ObjectKey> {
        let key = match &self.prefix {
            Some(prefix) => path.strip_prefix(prefix.as_str())?.strip_prefix('/')?,
            None => path,
        };
        key.parse().ok()
    }
}

impl fmt::Display for BucketLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.name)?;
        self.prefix.iter().try_for_each(|prefix| write!(f, "/{prefix}"))
    }
}

impl Region {
    /// Returns the region as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("must be 1 to 32 of a-z 0-9 -, such as us-east-1, not {text:?}"))
    }
}

fn location(text: &str) -> Result<BucketLocation, String> {
    let shown = without_credentials(text);
    let form =
        format!("must be s3://bucket or s3://bucket/prefix, without credentials, not {shown:?}");
    let rest = text.strip_prefix("s3://").filter(|rest| !rest.contains('@')).ok_or(form)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (name, prefix) = match rest.split_once('/') {
        Some((name, prefix)) => (name, Some(prefix)),
        None => (rest, None),
    };
    if !is_bucket_name(name) {
        return Err(format!(
            "{name:?} is no name of a bucket: it has 3 to 63 of a-z 0-9 . -, and begins and ends with a \
             letter or digit"
        ));
    }
    let prefix = prefix.map(str::parse::<ObjectKey>).transpose();
    let prefix = prefix.map_err(|error| format!("the prefix {error}, in {shown:?}"))?;
    if prefix.as_ref().is_some_and(|prefix| prefix.as_str().len() > 256) {
        return Err("the prefix must have 256 characters at most".to_owned());
    }
    Ok(BucketLocation { name: name.to_owned(), prefix })
}

fn is_bucket_name(name: &str) -> bool {
    let end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let plain = |byte: u8| end(byte) || matches!(byte, b'.' | b'-');
    let ends = [name.bytes().next(), name.bytes().last()];
    NAME_LENGTHS.contains(&name.len())
        && name.bytes().all(plain)
        && ends.into_iter().flatten().all(end)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

fn endpoint(text: &str) -> Result<Url, String> {
    let shown = without_credentials(text);
    let wrong = format!(
        "must be http:// or https://, a host, and perhaps a port, without credentials, path, query and \
         fragment, not {shown:?}"
    );
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#' | '\\');
    let url = Url::parse(text).ok().filter(|_| !text.contains(odd)).ok_or_else(|| wrong.clone())?;
    let is_web = matches!(url.scheme(), "http" | "https");
    if is_web && url.host_str().is_some_and(|host| !host.is_empty()) && url.path() == "/" {
        Ok(url)
    } else {
        Err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_buckets_with_prefixes() {
        for (text, shown) in [
            ("s3://abc", "s3://abc"),
            ("s3://abc/", "s3://abc"),
            ("s3://a.b-c/d/E_1.x", "s3://a.b-c/d/E_1.x"),
            ("s3://a.b-c/d/", "s3://a.b-c/d"),
        ] {
            assert_eq!(location(text).map(|it| it.to_string()).as_deref(), Ok(shown));
        }
        let key = "x/y".parse().unwrap();
        assert_eq!(location("s3://abc/d").unwrap().path_of(&key), "d/x/y");
        assert_eq!(location("s3://abc").unwrap().path_of(&key), "x/y");
        assert_eq!(location("s3://abc").unwrap().key_of("x/y"), Some(key.clone()));
        assert_eq!(location("s3://abc/d").unwrap().key_of("d/x/y"), Some(key));
        for other in ["x/y", "dx/y", "d", "d/", "e/x/y"] {
            assert_eq!(location("s3://abc/d").unwrap().key_of(other), None, "{other}");
        }
        let long = format!("s3://abc/{}", "x".repeat(257));
        for bad in [
            "",
            "abc",
            "https://abc",
            "S3://abc",
            "s3://",
            "s3:///prefix",
            "s3://ab",
            "s3://Abc",
            "s3://abc-",
            "s3://a..bc",
            "s3://192.0.2.1",
            "s3://a_bc",
            "s3://abc//d",
            "s3://abc/../d",
            "s3://abc/./d",
            "s3://abc/d e",
            "s3://abc/d?x=y",
            "s3://abc/d#x",
            "s3://abc/%2e%2e",
            "s3://abc:9000/d",
            &long,
        ] {
            assert!(location(bad).is_err(), "{bad}");
        }
        let told = location("s3://AKIA:canary@abc/d").unwrap_err();
        assert!(!told.contains("canary") && !told.contains("AKIA"), "{told}");
    }

    #[test]
    fn endpoints_are_origins() {
        for good in ["https://s3.example.com", "http://127.0.0.1:9000", "http://[::1]:9000/"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "s3.example.com",
            "ftp://s3.example.com",
            "https://",
            "https://s3.example.com/bucket",
            "https://s3.example.com?x",
            "https://s3.example.com#x",
            "https://s3.example.com:99999",
            "https://s3 .example.com",
            "https://me@s3.example.com",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        let told = endpoint("https://me:canary@s3.example.com").unwrap_err();
        assert!(!told.contains("canary"), "{told}");
    }

    #[test]
    fn the_bucket_is_in_the_host_or_in_the_path() {
        let settings = |endpoint: Option<&str>, path_style| S3Settings {
            location: location("s3://abc/d").unwrap(),
            endpoint: endpoint.map(|text| super::endpoint(text).unwrap()),
            region: "eu-west-1".parse().unwrap(),
            path_style,
            ca_file: None,
            checksums: true,
        };
        for (endpoint, path_style, address) in [
            (Some("https://s3.example.com:9000"), true, "https://s3.example.com:9000/"),
            (Some("https://s3.example.com:9000"), false, "https://abc.s3.example.com:9000/"),
            (None, false, "https://abc.s3.eu-west-1.amazonaws.com/"),
            (None, true, "https://s3.eu-west-1.amazonaws.com/"),
        ] {
            assert_eq!(settings(endpoint, path_style).address().unwrap().as_str(), address);
        }
        assert!(settings(Some("http://[::1]:9000"), false).address().is_err());
        for bad in ["", "EU", "eu west", "eu_west", &"x".repeat(33)] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
    }
}
