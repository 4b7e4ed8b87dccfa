//! `list` and `search`.

use registry_public::extension::ExtensionBody;

use crate::cli::arguments::{ListArgs, SearchArgs};
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result};
use crate::listing::{filtered, pages};
use crate::output::print_rows;

/// Prints all extensions, or as many as wanted.
pub(super) async fn list(args: &ListArgs, context: &Context) -> Result<()> {
    let keywords = args.keyword.iter().map(|keyword| ("keyword", keyword.clone()));
    let target = filtered("/extensions", args.extension_type, &args.scope).with_all(keywords);
    let rows = pages(&target, args.limit.unwrap_or(usize::MAX), &context.registry).await?.rows;
    print_rows(&rows, context.display)
}

/// Prints the extensions that match all words. Without one: a failure that names the nearest.
pub(super) async fn search(args: &SearchArgs, context: &Context) -> Result<()> {
    let words = args.words.join(" ");
    let target = filtered("/extensions/search", args.extension_type, &args.scope);
    let target = target.with("q", words.as_str());
    let rows = pages(&target, args.limit, &context.registry).await?.rows;
    let lower: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    if rows.iter().any(|row| has_words(row, &lower)) {
        return print_rows(&rows, context.display);
    }
    if context.display.form.is_for_machines() {
        print_rows::<ExtensionBody>(&[], context.display)?;
    }
    let near: Vec<String> =
        rows.iter().take(3).map(|row| format!("{}/{}", row.r#type, row.name)).collect();
    Err(match near.as_slice() {
        [] => ClientFailure::new(FailureKind::NotFound, format!("nothing is called {words}"))
            .hint("extreg list"),
        near => {
            let near = near.join(", ");
            let message = format!("nothing is called {words}; near: {near}");
            ClientFailure::new(FailureKind::NotFound, message)
        }
    })
}

/// Returns true if the extension itself has every word. Servers also send names that are only near.
fn has_words(row: &ExtensionBody, words: &[String]) -> bool {
    let description = row.description.as_deref().unwrap_or_default().to_lowercase();
    let name = row.name.to_lowercase();
    let has_word = |word: &String| {
        name.contains(word.as_str())
            || description.contains(word.as_str())
            || row.keywords.iter().any(|keyword| keyword.to_lowercase().contains(word.as_str()))
    };
    words.iter().all(has_word)
}
