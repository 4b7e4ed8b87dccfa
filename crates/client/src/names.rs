//! Names and versions of the registry for completions: quickly, or else the last known ones.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser as _;
use registry_core::models::digest::Digest;
use registry_public::extension::{ExtensionBody, VersionBody};
use registry_public::paths::Target;
use tokio::time::timeout;

use crate::cli::{Extreg, Options};
use crate::context::Context;
use crate::environment::Environment;
use crate::failure::Result;
use crate::reference::ExtensionReference;
use crate::resolve::find_id;
use crate::settings::Display;

/// Time that the registry has to answer. The user is typing.
const PATIENCE: Duration = Duration::from_millis(200);
/// Age of names that are still offered when the registry does not answer.
const FRESH: Duration = Duration::from_mins(1);

/// Names of the registry that the environment names.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    environment: Environment,
}

impl Names {
    /// Sends no request yet.
    pub(crate) const fn new(environment: Environment) -> Self {
        Self { environment }
    }

    /// Returns the names of all extensions, with their types and without. Empty if they are unknown.
    pub(crate) fn all(&self) -> Vec<String> {
        self.known("names", &async |context| {
            let target = Target::new("/extensions").with("limit", "1000");
            let rows: Vec<ExtensionBody> = context.registry.get(&target).await?;
            let names = rows
                .iter()
                .flat_map(|row| [row.name.clone(), format!("{}/{}", row.r#type, row.name)]);
            Ok(names.collect())
        })
    }

    /// Returns the versions of an extension, newest first. Empty if they are unknown.
    pub(crate) fn versions(&self, name: &str) -> Vec<String> {
        let Ok(reference) = name.parse::<ExtensionReference>() else { return Vec::new() };
        self.known(name, &async |context| {
            let id = find_id(&context.registry, &reference).await?;
            let target = Target::new(format!("/extensions/{id}/versions"));
            let versions: Vec<VersionBody> = context.registry.get(&target).await?;
            Ok(versions.into_iter().map(|version| version.version).collect())
        })
    }

    fn known(&self, key: &str, ask: &impl AsyncFn(&Context) -> Result<Vec<String>>) -> Vec<String> {
        let Some(context) = self.context() else { return Vec::new() };
        let place = self.environment.cache_directory().map(|directory| {
            let key = format!("{} {key}", context.registry.server().url);
            directory.join("completions").join(Digest::sha256(key.as_bytes()).hex())
        });
        match quickly(ask(&context)) {
            Some(names) => {
                place.inspect(|place| keep(place, &names));
                names
            }
            None => place.and_then(|place| kept(&place)).unwrap_or_default(),
        }
    }

    fn context(&self) -> Option<Context> {
        // The flags of the unfinished line are not known here.
        let Extreg { options, .. } = Extreg::try_parse_from(["extreg", "status"]).ok()?;
        let options = Options { quiet: true, ..options };
        let display = Display::find(&options, &self.environment).ok()?;
        Context::new(&options, &self.environment, Path::new("."), display).ok()
    }
}

fn quickly<T>(answer: impl Future<Output = Result<T>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { timeout(PATIENCE, answer).await }).ok()?.ok()
}

/// Keeps names for a time in which the registry does not answer. Without them nothing is offered then.
fn keep(place: &PathBuf, names: &[String]) {
    let written = place.parent().map_or(Ok(()), std::fs::create_dir_all);
    let _ = written.and_then(|()| std::fs::write(place, names.join("\n")));
}

fn kept(place: &Path) -> Option<Vec<String>> {
    let age = std::fs::metadata(place).ok()?.modified().ok()?.elapsed().ok()?;
    let text = std::fs::read_to_string(place).ok().filter(|_| age < FRESH)?;
    Some(text.lines().map(str::to_owned).collect())
}
