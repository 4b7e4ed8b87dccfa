//! Tables: fitted to the width of a terminal and never wrapped; else columns between tabs.

use std::borrow::Cow;

use console::{Alignment, Term, measure_text_width, pad_str, truncate_str};

use crate::output::visible;
use crate::settings::Display;

/// Cells between columns on a terminal.
const GAP: usize = 2;
/// Width that no column is narrowed below.
const NARROWEST: usize = 6;

/// Formats a table for standard output.
pub(super) fn text(titles: &[&str], rows: &[Vec<String>], display: Display) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let terminal = Term::stdout();
    if terminal.is_term() {
        let (_, columns) = terminal.size();
        fitted(titles, &rows, usize::from(columns), display.colors_output)
    } else {
        tabbed(titles, &rows)
    }
}

fn tabbed(titles: &[&str], rows: &[Vec<String>]) -> String {
    let titles = std::iter::once(titles.join("\t"));
    let lines = titles.chain(rows.iter().map(|row| row.join("\t")));
    lines.map(|line| line + "\n").collect()
}

fn fitted(titles: &[&str], rows: &[Vec<String>], columns: usize, has_colors: bool) -> String {
    let widths = widths(titles, rows, columns);
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let title = line(&titles, &widths);
    let title = if has_colors { format!("\u{1b}[1m{title}\u{1b}[0m") } else { title };
    let lines = std::iter::once(title).chain(rows.iter().map(|row| line(row, &widths)));
    lines.map(|line| line + "\n").collect()
}

/// Returns the widths of the columns. The widest ones are narrowed until the line fits.
fn widths(titles: &[&str], rows: &[Vec<String>], columns: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = titles.iter().map(|title| measure_text_width(title)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(measure_text_width(cell));
        }
    }
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > columns {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
    widths
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths).map(|(cell, width)| {
        let cell = truncate_str(cell, *width, "…");
        match pad_str(&cell, *width, Alignment::Left, None) {
            Cow::Borrowed(padded) => padded.to_owned(),
            Cow::Owned(padded) => padded,
        }
    });
    let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![
            vec!["provider/aws".to_owned(), "1.2.0".to_owned(), "Amazon Web Services".to_owned()],
            vec!["x".to_owned(), "1".to_owned(), "日本語の説明".to_owned()],
        ]
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_and_others_get_tabs() {
        let titles = ["NAME", "VERSION", "DESCRIPTION"];
        assert_eq!(
            tabbed(&titles, &rows()),
            "NAME\tVERSION\tDESCRIPTION\nprovider/aws\t1.2.0\tAmazon Web Services\nx\t1\t日本語の説明\n"
        );
        assert_eq!(
            fitted(&titles, &rows(), 40, false),
            "NAME          VERSION  DESCRIPTION\nprovider/aws  1.2.0    Amazon Web Servi…\nx             1        日本語の説明\n"
        );
        for columns in [20, 25, 30, 40, 80] {
            for line in fitted(&titles, &rows(), columns.max(22), false).lines() {
                assert!(measure_text_width(line) <= columns.max(22), "{line}");
            }
        }
    }

    #[test]
    fn a_table_without_rows_has_its_titles() {
        assert_eq!(tabbed(&["NAME", "VERSION"], &[]), "NAME\tVERSION\n");
    }
}
