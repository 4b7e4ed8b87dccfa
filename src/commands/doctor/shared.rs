//! Checks of the engine that replicas share.

use registry_valkey::check::Check;

use crate::app;
use crate::commands::doctor::report::ReportLine;
use crate::config::Config;

pub(super) async fn examine(config: &Config) -> Vec<ReportLine> {
    match app::examine_shared(config).await {
        Ok(checks) => checks.into_iter().map(line).collect(),
        Err(finding) => {
            let fix = "correct the file that the message names";
            vec![ReportLine::problem("shared", "files", finding.to_string(), fix)]
        }
    }
}

fn line(Check { step, what, fix, is_note }: Check) -> ReportLine {
    match fix {
        None => ReportLine::ok("shared", step, what),
        Some(fix) if is_note => ReportLine::note("shared", step, what, fix),
        Some(fix) => ReportLine::problem("shared", step, what, fix),
    }
}
