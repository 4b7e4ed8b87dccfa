//! The organization that is published to, and its repositories.

use reqwest::Method;
use serde_json::{Value, json};

use crate::failure::{FailureKind, Result};
use crate::publish::gitea::connection::{GiteaCall, GiteaConnection};
use crate::publish::gitea::models::Repository;
use crate::publish::gitea::refusal::{ORGANIZATION_SCOPE, REPOSITORY_SCOPE};

/// An organization of one Gitea.
#[derive(Debug)]
pub(super) struct GiteaOrganization<'a> {
    pub(super) connection: &'a GiteaConnection,
    pub(super) name: &'a str,
}

impl GiteaOrganization<'_> {
    /// Returns `organization/repository`.
    pub(super) fn full_name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.name)
    }

    /// Reads a repository; `None` if it does not exist, or the token may not see it.
    pub(super) async fn repository(&self, repository: &str) -> Result<Option<Repository>> {
        let subject = self.full_name(repository);
        let segments = ["repos", self.name, repository];
        self.connection.find(&segments, &subject, REPOSITORY_SCOPE).await
    }

    /// Returns false if the organization does not exist; `None` if the token may not ask.
    pub(super) async fn exists(&self) -> Result<Option<bool>> {
        let subject = format!("the organization {}", self.name);
        let found = self.connection.find(&["orgs", self.name], &subject, ORGANIZATION_SCOPE).await;
        match found.map(|found: Option<Value>| found.is_some()) {
            Ok(exists) => Ok(Some(exists)),
            Err(failure) if failure.kind() == FailureKind::Denied => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Creates a private repository with a first commit.
    pub(super) async fn create(&self, repository: &str) -> Result<Repository> {
        let subject = format!("a new repository {}", self.full_name(repository));
        let body = json!({"name": repository, "auto_init": true, "private": true});
        let segments = ["orgs", self.name, "repos"];
        self.connection.change(post(&segments, &body, &subject, ORGANIZATION_SCOPE)).await
    }

    /// Makes the first commit of an empty repository: a README with its name.
    pub(super) async fn make_first_commit(&self, repository: &str) -> Result<()> {
        use base64::Engine as _;
        use base64::prelude::BASE64_STANDARD;

        let subject = format!("the first commit of {}", self.full_name(repository));
        let content = BASE64_STANDARD.encode(format!("# {repository}\n"));
        let body = json!({"content": content, "message": "Add README.md"});
        let segments = ["repos", self.name, repository, "contents", "README.md"];
        let call = post(&segments, &body, &subject, REPOSITORY_SCOPE);
        self.connection.change(call).await.map(|_: Value| ())
    }
}

fn post<'a>(
    segments: &'a [&'a str],
    body: &'a Value,
    subject: &'a str,
    scope: &'static str,
) -> GiteaCall<'a> {
    GiteaCall { method: &Method::POST, segments, body: Some(body), subject, scope }
}
