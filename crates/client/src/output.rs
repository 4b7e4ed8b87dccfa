//! Data on standard output in the form that the caller wants.

mod json;
mod nuon;
mod table;
mod tree;
mod visible;

use std::io::{self, ErrorKind, Write as _};

use serde::Serialize;
pub use visible::visible;

use crate::failure::{ClientFailure, Result};
use crate::form::OutputForm;
use crate::settings::Display;

/// A row of a table: an object of the output.
pub trait OutputRow: Serialize {
    /// Titles of the columns.
    const COLUMNS: &'static [&'static str];

    /// Returns the texts of the columns.
    fn cells(&self) -> Vec<String>;

    /// Returns the name of the row, such as `type/name@version`.
    fn name(&self) -> String;
}

/// Prints rows.
pub fn print_rows<R: OutputRow>(rows: &[R], display: Display) -> Result<()> {
    match display.form {
        OutputForm::Table => {
            let cells: Vec<Vec<String>> = rows.iter().map(OutputRow::cells).collect();
            print(&table::text(R::COLUMNS, &cells, display))
        }
        OutputForm::Name => {
            let names: String = rows.iter().map(|row| visible(&row.name()) + "\n").collect();
            print(&names)
        }
        _ => print_objects(rows, display),
    }
}

/// Prints objects in a form for machines, or one `name: value` a line.
pub fn print_objects<T: Serialize>(objects: &[T], display: Display) -> Result<()> {
    let text = match display.form {
        OutputForm::Json => json::array(objects)?,
        OutputForm::Jsonl => json::lines(objects)?,
        OutputForm::Nuon | OutputForm::Table | OutputForm::Name => nuon::text(objects)?,
    };
    print(&text)
}

/// Prints a text. A reader that closes the pipe early, such as `head`, is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(ClientFailure::failed(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a message on standard error, unless messages are off.
pub fn tell(message: &str, display: Display) {
    if !display.is_quiet {
        // Without standard error there is no place for messages.
        let _ = writeln!(io::stderr(), "{}", visible(message));
    }
}

/// Prints a failure on standard error: lines for people, or one object for programs.
pub fn report(failure: &ClientFailure, display: Option<Display>) {
    let is_for_machines = display.is_some_and(|display| display.form.is_for_machines());
    let text = if is_for_machines { json::failure(failure) } else { lines(failure, display) };
    // Without standard error there is no place left to report the failure.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn lines(failure: &ClientFailure, display: Option<Display>) -> String {
    let has_colors = display.is_some_and(|display| display.colors_errors);
    let error = if has_colors { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    let messages = failure.messages().map(|message| format!("{error} {}", visible(message)));
    let hint = failure.hint_text().map(|hint| {
        // A command to copy, or advice.
        let word = if hint.starts_with("extreg ") { "try" } else { "hint" };
        format!("{word}: {}", visible(hint))
    });
    messages.chain(hint).map(|line| line + "\n").collect()
}

/// Formats a size: `640 B`, `4.0 KiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // In tenths of a unit, so that no float rounds at the borders.
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_240 {
        let Some(larger) = units.next() else { break };
        unit = Some(larger);
        tenths /= 1024;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, unit.copied().unwrap_or_default())
}

/// Returns the day of a time such as `2026-09-03T09:00:00Z`.
#[must_use]
pub fn day(time: Option<&str>) -> String {
    time.and_then(|time| time.get(..10)).unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_in_binary_units() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (4117, "4.0 KiB"),
            (1 << 20, "1.0 MiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
