//! Time of a version: told, that of the sources, or now.

use std::path::Path;
use std::process::Stdio;

use jiff::Timestamp;
use tokio::process::Command;

use crate::context::Context;
use crate::failure::{ClientFailure, Result};

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Returns the time of a version in whole seconds: `--created`, `SOURCE_DATE_EPOCH`, that of the
/// sheet, that of the last commit to the directory, or now with a warning.
pub(crate) async fn created(
    told: Option<Timestamp>,
    of_sheet: Option<&str>,
    directory: Option<&Path>,
    context: &Context,
) -> Result<Timestamp> {
    if let Some(told) = told {
        return whole_seconds(told.as_second());
    }
    if let Some(seconds) = context.environment.get(EPOCH) {
        let parsed: Option<i64> = seconds.parse().ok();
        let invalid = || ClientFailure::usage(format!("{EPOCH} is {seconds:?}, not seconds"));
        return parsed.ok_or_else(invalid).and_then(whole_seconds);
    }
    if let Some(text) = of_sheet {
        let parsed: Result<Timestamp, _> = text.parse();
        let parsed = parsed.map_err(|error| {
            ClientFailure::usage(format!("created of the sheet is {text:?}: {error}"))
        })?;
        return whole_seconds(parsed.as_second());
    }
    if let Some(directory) = directory
        && let Some(seconds) = of_commit(directory).await
    {
        return whole_seconds(seconds);
    }
    context.tell(
        "warning: the version gets the time of now, so publishing it elsewhere makes another manifest; use --created or SOURCE_DATE_EPOCH",
    );
    whole_seconds(Timestamp::now().as_second())
}

fn whole_seconds(seconds: i64) -> Result<Timestamp> {
    Timestamp::from_second(seconds)
        .map_err(|error| ClientFailure::usage(format!("{seconds} seconds are no date: {error}")))
}

/// Returns the time of the last commit to a directory; `None` outside of a repository, or without git.
async fn of_commit(directory: &Path) -> Option<i64> {
    let mut git = Command::new("git");
    git.arg("-C").arg(directory).args(["log", "-1", "--format=%ct", "--", "."]);
    git.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = git.output().await.ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
