//! `status`: health of the registry and its backends.

use registry_public::health::{BackendHealthBody, HealthBody};
use registry_public::paths::Target;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result};
use crate::form::OutputForm;
use crate::output::{OutputRow, print_objects, print_rows};

#[derive(Serialize)]
struct BackendRow {
    name: String,
    health: BackendHealthBody,
}

impl OutputRow for BackendRow {
    const COLUMNS: &'static [&'static str] =
        &["BACKEND", "KIND", "STATE", "EXTENSIONS", "LAST SUCCESS", "ERROR"];

    fn cells(&self) -> Vec<String> {
        let health = &self.health;
        let state = match (health.healthy, health.stale) {
            (false, _) => "down",
            (true, true) => "stale",
            (true, false) => "healthy",
        };
        vec![
            self.name.clone(),
            health.kind.clone(),
            state.to_owned(),
            health.extensions.to_string(),
            health.last_success.clone().unwrap_or_else(|| "-".to_owned()),
            health.last_error.clone().unwrap_or_default(),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// Shows the health. A registry that can serve nothing is a failure.
pub(super) async fn run(context: &Context) -> Result<()> {
    let health: HealthBody = context.registry.get(&Target::new("/health")).await?;
    let status = health.status.clone();
    if context.display.form == OutputForm::Table {
        let url = &context.registry.server().url;
        context.tell(&format!("{url} is {status}, version {}", health.version));
        let backends = health.backends.into_iter().filter(|(_, health)| health.enabled);
        let rows: Vec<BackendRow> =
            backends.map(|(name, health)| BackendRow { name, health }).collect();
        print_rows(&rows, context.display)?;
    } else {
        print_objects(&[health], context.display)?;
    }
    match status.as_str() {
        "unhealthy" => {
            Err(ClientFailure::new(FailureKind::Unavailable, "the registry can serve nothing"))
        }
        _ => Ok(()),
    }
}
