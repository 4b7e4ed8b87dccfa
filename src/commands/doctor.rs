//! The `doctor` command: checks all dependencies of the service in order and suggests fixes.

mod bucket;
mod machine;
mod report;
mod shared;
mod upstream;

use jiff::SignedDuration;

use crate::app;
use crate::cli::OutputForm;
use crate::commands::configuration::checked;
use crate::commands::doctor::report::{ReportLine, as_json, as_text};
use crate::commands::{CommandFailure, print};
use crate::config::{Config, Sources};

/// Time before its expiry in which a certificate should have been renewed.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Exit code 1 for a problem, 2 for an invalid configuration.
pub(super) fn run(form: OutputForm, sources: &Sources<'_>) -> Result<(), CommandFailure> {
    let config = match checked(sources) {
        Ok(config) => config,
        Err(problems) => {
            let fix = "correct the named line; docs/configuration.md lists every key";
            let entry = |problem: &dyn ToString| {
                ReportLine::problem("service", "configuration", problem.to_string(), fix)
            };
            let entries: Vec<ReportLine> = problems.iter().map(|problem| entry(problem)).collect();
            show(form, &entries)?;
            return Err(CommandFailure::Misused(counted(entries.len())));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let entries = runtime.map_err(CommandFailure::failed)?.block_on(examine(&config));
    show(form, &entries)?;
    match entries.iter().filter(|entry| entry.is_problem()).count() {
        0 => Ok(()),
        problems => Err(CommandFailure::Failed(counted(problems))),
    }
}

async fn examine(config: &Config) -> Vec<ReportLine> {
    let mut entries = vec![ReportLine::ok("service", "configuration", "it is valid")];
    entries.extend(config.warnings.iter().map(|warning| {
        ReportLine::note("service", "configuration", warning, "remove one of them")
    }));
    entries.push(machine::port(&config.listener()).await);
    if let Some(listener) = config.health_listener() {
        entries.push(machine::port(&listener).await);
    }
    entries
        .extend(app::listener_certificate(config).map(|it| machine::certificate(it.not_after())));
    entries.push(machine::state_dir(config.cache.state_dir.as_deref()));
    entries.extend(shared::examine(config).await);
    // The timeouts and retries of the service would let one dead backend take minutes.
    let config = upstream::impatient(config);
    let backends = match app::backends(&config) {
        Ok(backends) => backends,
        Err(error) => {
            let fix = "correct the value that the message names";
            entries.push(ReportLine::problem("service", "configuration", error.to_string(), fix));
            Vec::new()
        }
    };
    for (config, backend) in config.backends.iter().zip(&backends) {
        entries.extend(upstream::examine(config, backend.as_ref()).await);
    }
    match (&config.artifacts, app::bucket(&config)) {
        (Some(artifacts), Ok(Some(bucket))) => {
            entries.extend(bucket::examine(artifacts, &bucket).await);
        }
        (_, Ok(_)) => {}
        (_, Err(error)) => {
            let fix = "correct the value that the message names";
            entries.push(ReportLine::problem("service", "configuration", error.to_string(), fix));
        }
    }
    entries
}

fn show(form: OutputForm, entries: &[ReportLine]) -> Result<(), CommandFailure> {
    let text = match form {
        OutputForm::Text => as_text(entries),
        OutputForm::Json => as_json(entries),
    };
    print(text.as_bytes())
}

fn counted(problems: usize) -> String {
    format!("{problems} problem{} found", if problems == 1 { "" } else { "s" })
}
