//! `diff`: the files of two versions.

use registry_public::files::DifferencesBody;
use registry_public::paths::Target;
use serde::Serialize;

use crate::cli::arguments::DiffArgs;
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result};
use crate::form::OutputForm;
use crate::output::{OutputRow, print_objects, print_rows};
use crate::question::Question;
use crate::resolve::resolve;

#[derive(Serialize)]
struct DifferenceRow {
    change: &'static str,
    path: String,
}

impl OutputRow for DifferenceRow {
    const COLUMNS: &'static [&'static str] = &["CHANGE", "PATH"];

    fn cells(&self) -> Vec<String> {
        vec![self.change.to_owned(), self.path.clone()]
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// Prints the entries that differ.
pub(super) async fn run(args: &DiffArgs, context: &Context) -> Result<()> {
    let question = Question { scope: args.scope.clone(), admits_prereleases: true };
    let from = resolve(&context.registry, &args.from, &question).await?;
    let to = resolve(&context.registry, &args.to, &question).await?;
    if from.id != to.id {
        let message = format!("{} and {} are two extensions", from.id, to.id);
        return Err(ClientFailure::usage(message).hint("compare two versions of one extension"));
    }
    let target = Target::release(&to.id.to_string(), &to.version.tag).below("/files");
    let target = target.with("against", from.version.tag.as_str());
    let target = target.with_all(question.scope.pairs());
    let differences: DifferencesBody = context.registry.get(&target).await?;
    if differences.truncated {
        context.tell("entries are left out: an archive has too many, or too long paths");
    }
    let rows = rows(&differences);
    match context.display.form {
        OutputForm::Table | OutputForm::Name => print_rows(&rows, context.display)?,
        _ => print_objects(&[differences], context.display)?,
    }
    if args.exit_code && !rows.is_empty() {
        let message = format!("{} entries differ", rows.len());
        return Err(ClientFailure::new(FailureKind::Outdated, message));
    }
    Ok(())
}

fn rows(differences: &DifferencesBody) -> Vec<DifferenceRow> {
    let row = |change, path: &String| DifferenceRow { change, path: path.clone() };
    let added = differences.added.iter().map(|entry| row("added", &entry.path));
    let removed = differences.removed.iter().map(|entry| row("removed", &entry.path));
    let changed = differences.changed.iter().map(|change| row("changed", &change.path));
    let mut rows: Vec<DifferenceRow> = added.chain(removed).chain(changed).collect();
    rows.sort_by(|one, other| one.path.cmp(&other.path));
    rows
}
