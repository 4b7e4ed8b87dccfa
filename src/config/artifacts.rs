//! The bucket that instances of the service share: `[artifacts]`.

use std::path::PathBuf;

use registry_core::config_reader::{ConfigReader, Section};
use registry_s3::credentials::S3Credentials;
use registry_s3::settings::S3Settings;

use crate::config::CacheConfig;

/// The bucket and its credentials.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct ArtifactsConfig {
    pub s3: S3Settings,
    pub credentials_path: Option<PathBuf>,
    /// Credentials of the environment, if there is no file.
    pub environment: Option<S3Credentials>,
}

impl ArtifactsConfig {
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        Some(Self {
            s3: S3Settings::read(keys)?,
            credentials_path: keys.text("credentials_path").optional(
                "/path/to/s3-credentials.txt",
                "File with the id of an access key and its secret, a line each. Default: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            ),
            environment: None,
        })
    }

    /// Adds the credentials of the environment, and reports what the bucket needs and does not have.
    pub(super) fn complete(
        &mut self,
        reader: &mut ConfigReader,
        cache: &CacheConfig,
        environment: &[(String, String)],
    ) {
        let value = |name: &str| {
            let mut found = environment.iter().filter(|(found, _)| found == name);
            found.next().map(|(_, value)| value.clone())
        };
        if self.credentials_path.is_none() {
            match S3Credentials::from_environment(value) {
                Ok(credentials) => self.environment = Some(credentials),
                Err(error) => reader.report("artifacts.credentials_path", error.message()),
            }
        }
        if cache.state_dir.is_none() {
            reader.report("artifacts.store", "needs a disk of its own, too: set cache.state_dir");
        } else if cache.artifact_bytes == 0 {
            let what = "needs a disk of its own, too: cache.artifact_cache_bytes must not be 0";
            reader.report("artifacts.store", what);
        }
    }
}
