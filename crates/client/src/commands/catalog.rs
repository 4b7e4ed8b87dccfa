//! `list` and `search`.

use registry_public::extension::ExtensionBody;
use registry_public::paths::Target;

use crate::cli::arguments::{ListArgs, ScopeArgs, SearchArgs};
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result};
use crate::output::print_rows;
use registry_core::models::naming::ExtensionType;

/// Rows of one page, the most that a registry sends.
const PAGE: usize = 1000;

/// Prints all extensions, or as many as wanted.
pub(super) async fn list(args: &ListArgs, context: &Context) -> Result<()> {
    let keywords = args.keyword.iter().map(|keyword| ("keyword", keyword.clone()));
    let target = filtered("/extensions", args.extension_type, &args.scope).with_all(keywords);
    let rows = pages(&target, args.limit.unwrap_or(usize::MAX), context).await?;
    print_rows(&rows, context.display)
}

/// Prints the extensions that match all words. Without one: a failure that names the nearest.
pub(super) async fn search(args: &SearchArgs, context: &Context) -> Result<()> {
    let words = args.words.join(" ");
    let target = filtered("/extensions/search", args.extension_type, &args.scope);
    let rows = pages(&target.with("q", words.as_str()), args.limit, context).await?;
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

fn filtered(path: &str, extension_type: Option<ExtensionType>, scope: &ScopeArgs) -> Target {
    let extension_type = extension_type.map(|wanted| ("type", wanted.as_str().to_owned()));
    Target::new(path).with_all(extension_type).with_all(scope.pairs())
}

/// Reads pages until the end of the list, or until there are as many rows as wanted.
async fn pages(target: &Target, limit: usize, context: &Context) -> Result<Vec<ExtensionBody>> {
    let mut rows = Vec::new();
    loop {
        let count = PAGE.min(limit - rows.len());
        let page = target.clone().with("limit", count.to_string());
        let page = page.with("offset", rows.len().to_string());
        let page = context.registry.page::<ExtensionBody>(&page).await?;
        // An empty page ends the list too: it may have become shorter meanwhile.
        let is_last = page.rows.is_empty() || page.rows.len() + rows.len() >= page.total;
        rows.extend(page.rows);
        rows.truncate(limit);
        if is_last || rows.len() == limit {
            return Ok(rows);
        }
    }
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
