//! Progress on a terminal: one line for each file, and one for the total.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{tell, visible};
use crate::settings::Display;

const LINE: &str = "{msg:32!} {bar:20} {bytes:>10} {bytes_per_sec:>12}";
const TOTAL: &str = "{msg:32!} {bar:20} {pos}/{len}";

/// Progress of all files. Without a terminal only the lines of finished files are printed.
pub(crate) struct Progress {
    lines: MultiProgress,
    total: ProgressBar,
    display: Display,
}

/// Progress of one file.
pub(crate) struct FileProgress(ProgressBar);

impl Progress {
    /// Begins with this number of files.
    pub(crate) fn begin(files: usize, display: Display) -> Self {
        let target = if display.has_progress {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let lines = MultiProgress::with_draw_target(target);
        let total = lines.add(ProgressBar::new(files as u64));
        total.set_style(style(TOTAL));
        total.set_message("all");
        Self { lines, total, display }
    }

    /// Begins a file.
    pub(crate) fn file(&self, name: &str, size: Option<u64>) -> FileProgress {
        let bar = size.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let bar = self.lines.insert_before(&self.total, bar);
        bar.set_style(style(LINE));
        bar.set_message(visible(name));
        FileProgress(bar)
    }

    /// Prints the line of a finished file.
    pub(crate) fn finished(&self, line: &str) {
        self.total.inc(1);
        self.lines.suspend(|| tell(line, self.display));
    }

    /// Removes the lines of the progress.
    pub(crate) fn end(&self) {
        self.total.finish_and_clear();
    }
}

impl FileProgress {
    /// Sets the number of bytes that are there.
    pub(crate) fn set(&self, bytes: u64) {
        self.0.set_position(bytes);
    }
}

impl Drop for FileProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template that cannot be parsed gives the default style instead of none.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
