//! `doctor`: looks at everything that the service needs, one after the other, and says how to mend
//! what is wrong.

mod machine;
mod report;
mod upstream;

use crate::args::OutputForm;
use crate::config::{Config, Sources};
use crate::operations::configuration::checked;
use crate::operations::doctor::report::{Entry, as_json, as_text};
use crate::operations::{Failure, print};
use crate::service;

/// Exit code 1 if there is a problem, 2 if it is in the configuration, where it ends.
pub(super) fn run(form: OutputForm, sources: &Sources<'_>) -> Result<(), Failure> {
    let config = match checked(sources) {
        Ok(config) => config,
        Err(problems) => {
            let fix = "change the line that is named; docs/configuration.md has every key";
            let entry = |problem: &dyn ToString| {
                Entry::problem("service", "configuration", problem.to_string(), fix)
            };
            let entries: Vec<Entry> = problems.iter().map(|problem| entry(problem)).collect();
            show(form, &entries)?;
            return Err(Failure::Misused(counted(entries.len())));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let entries = runtime.map_err(Failure::failed)?.block_on(examine(&config));
    show(form, &entries)?;
    match entries.iter().filter(|entry| entry.is_problem()).count() {
        0 => Ok(()),
        problems => Err(Failure::Failed(counted(problems))),
    }
}

async fn examine(config: &Config) -> Vec<Entry> {
    let mut entries = vec![Entry::ok("service", "configuration", "it is valid")];
    entries.extend(
        config
            .warnings
            .iter()
            .map(|warning| Entry::note("service", "configuration", warning, "remove one of them")),
    );
    entries.push(machine::port(&config.server).await);
    entries.push(machine::state_dir(config.cache.state_dir.as_deref()));
    let config = upstream::impatient(config);
    let backends = match service::backends(&config) {
        Ok(backends) => backends,
        Err(error) => {
            let fix = "mend what it names";
            entries.push(Entry::problem("service", "configuration", error.to_string(), fix));
            Vec::new()
        }
    };
    for (config, backend) in config.backends.iter().zip(&backends) {
        entries.extend(upstream::examine(config, backend.as_ref()).await);
    }
    entries
}

fn show(form: OutputForm, entries: &[Entry]) -> Result<(), Failure> {
    let text = match form {
        OutputForm::Text => as_text(entries),
        OutputForm::Json => as_json(entries),
    };
    print(text.as_bytes())
}

fn counted(problems: usize) -> String {
    format!("{problems} problem{} found", if problems == 1 { "" } else { "s" })
}
