//! Answers of Gitea that are no success: what they mean for a publisher, and what helps.

use reqwest::StatusCode;

use crate::failure::{ClientFailure, FailureKind};

/// Rights that a request needs: the scope of the token.
pub(super) const REPOSITORY_SCOPE: &str = "write:repository";
/// Scope for creating a repository.
pub(super) const ORGANIZATION_SCOPE: &str = "write:organization";

const MISSING: &str =
    "check the address and the organization, and that the token's account may see it";
const RACE: &str =
    "another publisher works on this version: run it again to see which one is there";
const TOO_LARGE: &str =
    "raise MAX_SIZE of [attachment] in the server's app.ini, and the limit of a proxy";
const TYPES: &str = "the server takes no files of this type: ALLOWED_TYPES of [repository.release] \
     in its app.ini must be empty, or have .gz, .sha256, .json and .md";

/// A request, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Address of the server.
    pub(super) server: &'a str,
    /// What the request was for, such as `the release 1.2.0 of extensions/aws_prov`.
    pub(super) subject: &'a str,
    /// Scope of the token that it needs.
    pub(super) scope: &'static str,
}

/// Describes a refusal. `message` is the server's own text, perhaps empty.
pub(super) fn refusal(status: StatusCode, message: &str, asked: Asked<'_>) -> ClientFailure {
    let Asked { server, subject, scope } = asked;
    let told = match message.trim() {
        "" => format!("{server} answered {status} for {subject}"),
        text => format!("{server} answered {status} for {subject}: {text}"),
    };
    if status == StatusCode::FORBIDDEN && message.contains("scope") {
        let message = format!("the token for {server} lacks the scope {scope}");
        return ClientFailure::new(FailureKind::Denied, message)
            .hint(format!("create a token with the scope {scope}"));
    }
    if status == StatusCode::UNPROCESSABLE_ENTITY && message.contains("repo is empty") {
        return empty(subject);
    }
    let (kind, hint) = match status {
        StatusCode::UNAUTHORIZED => (
            FailureKind::Denied,
            format!("give a token of this server with the scope {scope}: --token-file FILE"),
        ),
        StatusCode::FORBIDDEN => (
            FailureKind::Denied,
            format!("the token's account must be allowed to write there, with the scope {scope}"),
        ),
        StatusCode::NOT_FOUND => (FailureKind::NotFound, MISSING.to_owned()),
        StatusCode::CONFLICT => (FailureKind::Conflict, RACE.to_owned()),
        StatusCode::LOCKED => (FailureKind::Denied, "unarchive the repository".to_owned()),
        StatusCode::PAYLOAD_TOO_LARGE => (FailureKind::Failed, TOO_LARGE.to_owned()),
        _ if status.is_client_error() && is_about_types(message) => {
            (FailureKind::Failed, TYPES.to_owned())
        }
        _ => return ClientFailure::failed(told),
    };
    ClientFailure::new(kind, told).hint(hint)
}

/// Returns true for the texts about types of files, which every version words differently.
fn is_about_types(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    text.contains("file") && (text.contains("type") || text.contains("extension"))
}

/// Describes a repository without a commit, which can have no release.
pub(super) fn empty(repository: &str) -> ClientFailure {
    ClientFailure::usage(format!("{repository} is empty, and a release needs a commit"))
        .hint("push a first commit, or use --create-repository, which makes one")
}

/// Describes an answer that Gitea would not give.
pub(super) fn no_gitea(server: &str, answer: &str) -> ClientFailure {
    ClientFailure::usage(format!("{server} is no Gitea or Forgejo: it answered {answer}"))
        .hint("check the address in --to, with the path below which Gitea is served")
}
