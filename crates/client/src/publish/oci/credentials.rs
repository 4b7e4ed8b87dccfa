//! Credentials for a registry: of `--token-file`, or those that Docker keeps.

use std::io::ErrorKind;
use std::path::PathBuf;

use registry_oci::credentials::{CredentialHelper, Credentials, InvalidCredentials};
use secrecy::ExposeSecret as _;

use crate::environment::Environment;
use crate::failure::{ClientFailure, Result};
use crate::publish::job::PublishJob;
use crate::publish::oci::helper;
use crate::publish::target::OciTarget;

/// Finds the credentials for a target. None are an answer too.
pub(super) async fn find(target: &OciTarget, job: &PublishJob<'_>) -> Result<Credentials> {
    let (registry, namespace) = (&target.registry, &target.namespace);
    if let Some(token) = &job.token {
        return Credentials::parse(token.expose_secret(), registry, namespace)
            .map_err(|error| ClientFailure::usage(format!("the token file: {error}")));
    }
    let Some(path) = config_file(&job.context.environment) else {
        return Ok(Credentials::Anonymous);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Credentials::Anonymous),
        Err(error) => {
            let message = format!("{} cannot be read: {error}", path.display());
            return Err(ClientFailure::usage(message));
        }
    };
    match Credentials::parse(&text, registry, namespace) {
        Ok(credentials) => Ok(credentials),
        Err(InvalidCredentials::NotThere(_) | InvalidCredentials::Empty) => {
            Ok(Credentials::Anonymous)
        }
        Err(InvalidCredentials::Helper(_)) => match CredentialHelper::find(&text, registry) {
            Some(helper) => helper::ask(&helper).await,
            None => Ok(Credentials::Anonymous),
        },
        Err(error) => Err(ClientFailure::usage(format!("{}: {error}", path.display()))),
    }
}

/// Returns the file that Docker and containers/image keep credentials in.
fn config_file(environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = environment.get("REGISTRY_AUTH_FILE") {
        return Some(path.into());
    }
    let directory = environment.get("DOCKER_CONFIG").map(PathBuf::from);
    let of_home = || environment.get("HOME").map(|home| PathBuf::from(home).join(".docker"));
    directory.or_else(of_home).map(|directory| directory.join("config.json"))
}
