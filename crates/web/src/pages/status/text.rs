//! Status page as plain text, for command-line clients.

use std::fmt::Write as _;

use crate::format::visible::{Breaks, visible};
use crate::pages::status::StatusPage;
use crate::site::Site;

/// Returns the page as plain text.
pub(super) fn plain_text(page: &StatusPage, site: &Site) -> String {
    let mut text = format!("{}: {}\n\n", page.health().words(), page.sentence());
    for backend in &page.backends {
        let [name, error] = [&backend.name, backend.last_error.as_ref().unwrap_or(&String::new())]
            .map(|text| visible(text, Breaks::Shown));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<12} {}; age {}; breaker {}; {} extensions{}{error}",
            backend.state.words(),
            backend.age_words(),
            backend.breaker_words(),
            backend.extensions,
            if error.is_empty() { "" } else { "; " },
        );
    }
    let steps = page.steps();
    if !steps.is_empty() {
        text.push_str("\nWhat to do\n");
        text.extend(steps.iter().map(|step| match step.command {
            Some(command) => format!("- {}\n  {command}\n", step.text),
            None => format!("- {}\n", step.text),
        }));
    }
    if !page.affected.is_empty() {
        let _ = writeln!(text, "\nAffected extensions ({})", page.affected_total);
        text.extend(page.affected.iter().map(|one| {
            // A terminal would act on control characters.
            let line = format!("{} {}: {}", one.id, one.state, one.reason);
            format!("{}\n", visible(&line, Breaks::Shown))
        }));
    }
    if page.not_taken_total > 0 {
        let address = site.absolute(&site.links.api().health());
        let _ = writeln!(text, "\n{} repositories not taken: {address}", page.not_taken_total);
    }
    let commit = site.commit.as_deref().unwrap_or("unknown commit");
    let _ = writeln!(text, "\nExtension Registry {} ({commit})", site.version);
    text
}
