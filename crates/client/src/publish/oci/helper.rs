//! Credential helpers of Docker: programs that keep passwords in a keychain or get them from a cloud.

use std::process::Stdio;
use std::time::Duration;

use registry_oci::credentials::{CredentialHelper, Credentials};
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::failure::{ClientFailure, FailureKind, Result};

/// Longest time that a helper has. It may ask a cloud, or the user.
const PATIENCE: Duration = Duration::from_mins(1);
/// What helpers print if they have nothing (docker-credential-helpers, `credentials/error.go`).
const NOTHING: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Asks a helper. None are an answer too.
pub(super) async fn ask(helper: &CredentialHelper) -> Result<Credentials> {
    let program = format!("docker-credential-{}", helper.name);
    let wrong = |reason: String| {
        ClientFailure::new(FailureKind::Denied, format!("{program} gave no credentials: {reason}"))
            .hint("log in again, or use --token-file")
    };
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process =
        command.kill_on_drop(true).spawn().map_err(|error| wrong(error.to_string()))?;
    if let Some(mut input) = process.stdin.take() {
        // A helper that ends without reading has its reason in its output.
        let _ = input.write_all(helper.server.as_bytes()).await;
    }
    let output = timeout(PATIENCE, process.wait_with_output()).await;
    let output = output.map_err(|_| wrong("it does not end".to_owned()))?;
    let output = output.map_err(|error| wrong(error.to_string()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        if text.trim() == NOTHING {
            return Ok(Credentials::Anonymous);
        }
        return Err(wrong(text.trim().chars().take(200).collect()));
    }
    // The message of the parser could show the secret.
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|_| wrong("its answer is not that of a credential helper".to_owned()))?;
    Ok(Credentials::password(&answer.username, &answer.secret))
}
