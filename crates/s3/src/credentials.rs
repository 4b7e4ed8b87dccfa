//! Credentials of the bucket: read from a file or from the environment, and replaced while the service
//! runs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use parking_lot::RwLock;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::files;
use secrecy::{ExposeSecret as _, SecretString};

/// Maximum size of a file of credentials, in bytes.
const FILE_MAX: u64 = 64 * 1024;
/// Names of the environment variables: access key, its secret, and a session token.
pub const VARIABLES: [&str; 3] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// An access key and its secret. `Debug` hides the secret.
#[derive(Clone, Debug)]
pub struct S3Credentials {
    id: String,
    secret: SecretString,
    token: Option<SecretString>,
}

impl S3Credentials {
    /// Reads two lines, the id of the access key and its secret, and perhaps a session token as the
    /// third. The error names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let unusable = |problem: &str| {
            let message = format!("{} {problem}", path.display());
            Error::new(ErrorKind::Invalid, message)
        };
        let text = files::text_named(path, FILE_MAX)
            .map_err(|error| unusable("cannot be read").because(error))?;
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let parsed = match lines.as_slice() {
            [id, secret] => Self::of(id, secret, None),
            [id, secret, token] => Self::of(id, secret, Some(token)),
            _ => None,
        };
        parsed.ok_or_else(|| {
            unusable(
                "must hold two lines without spaces, the id of an access key and its secret, and \
                 perhaps a session token as the third",
            )
        })
    }

    /// Reads [`VARIABLES`]. Fails without an access key.
    pub fn from_environment(value: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let [id, secret, token] = VARIABLES.map(|name| value(name).filter(|text| !text.is_empty()));
        let found =
            id.zip(secret).and_then(|(id, secret)| Self::of(&id, &secret, token.as_deref()));
        found.ok_or_else(|| {
            let [id, secret, _] = VARIABLES;
            let message = format!("is not set, and {id} and {secret} are not in the environment");
            Error::new(ErrorKind::Invalid, message)
        })
    }

    fn of(id: &str, secret: &str, token: Option<&str>) -> Option<Self> {
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        // A slash or a comma would end the id in the header that it is sent in.
        let is_id = is_word(id) && !id.contains(['/', ',']);
        (is_id && is_word(secret) && token.is_none_or(is_word)).then(|| Self {
            id: id.to_owned(),
            secret: secret.into(),
            token: token.map(Into::into),
        })
    }
}

/// The credentials in use.
pub(crate) struct CurrentCredentials(RwLock<Arc<AwsCredential>>);

impl CurrentCredentials {
    pub(crate) fn new(credentials: &S3Credentials) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(signing(credentials)))))
    }

    pub(crate) fn replace(&self, credentials: &S3Credentials) {
        *self.0.write() = Arc::new(signing(credentials));
    }
}

fn signing(credentials: &S3Credentials) -> AwsCredential {
    AwsCredential {
        key_id: credentials.id.clone(),
        secret_key: credentials.secret.expose_secret().to_owned(),
        token: credentials.token.as_ref().map(|token| token.expose_secret().to_owned()),
    }
}

impl fmt::Debug for CurrentCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurrentCredentials(hidden)")
    }
}

#[async_trait]
impl CredentialProvider for CurrentCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        Ok(Arc::clone(&self.0.read()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_two_lines_and_perhaps_a_third() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s3");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            S3Credentials::read(&path)
        };
        for good in
            ["id\nsecret", "id\r\nse/cr+et=\r\n", " id \n\n secret \n", "id\nsecret\ntoken\n"]
        {
            assert!(read(good).is_ok(), "{good:?}");
        }
        for bad in
            ["", "canary", "id\n", "i d\ncanary", "i/d\ncanary", "id\ncan ary", "a\nb\nc\ncanary"]
        {
            let told = read(bad).unwrap_err().report();
            assert!(told.contains("s3 must hold two lines") && !told.contains("canary"), "{told}");
        }
        assert!(
            S3Credentials::read(&dir.path().join("none")).unwrap_err().message().contains("none")
        );
        let shown = format!("{:?}", read("id\ncanary\ncanary").unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        let current = CurrentCredentials::new(&read("id\ncanary").unwrap());
        assert!(!format!("{current:?}").contains("canary"));
    }

    #[test]
    fn the_environment_has_both_or_none() {
        let of = |set: &[(&str, &str)]| {
            let set: Vec<_> = set.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            S3Credentials::from_environment(move |name| {
                set.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
            })
        };
        let [id, secret, token] = VARIABLES;
        assert!(of(&[(id, "a"), (secret, "b")]).is_ok());
        assert!(of(&[(id, "a"), (secret, "b"), (token, "c")]).is_ok());
        for bad in [vec![], vec![(id, "a")], vec![(secret, "b")], vec![(id, ""), (secret, "b")]] {
            assert!(of(&bad).unwrap_err().message().contains(id), "{bad:?}");
        }
    }
}
