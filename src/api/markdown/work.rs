//! What a page may cost, counted while it is made: a README is a stranger's, and so are its masses.

use pulldown_cmark::{Event, Tag, TagEnd};

/// Pieces of a page: a word in italics is three.
const EVENTS_MAX: usize = 150_000;
/// Bytes of text and addresses, escapes counted in. A reference repeats its address with each use.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes that are looked through for characters to escape: who writes a page looks through the rest
/// of a text for each.
const SCANNED_MAX: usize = 2 << 30;

/// What is left of what a page may cost.
pub(super) struct Work {
    events: usize,
    bytes: usize,
    scanned: usize,
    run: Run,
}

/// A text between two blocks.
#[derive(Default)]
struct Run {
    bytes: usize,
    escapes: usize,
}

impl Run {
    fn add(&mut self, text: &str) {
        self.bytes += text.len();
        self.escapes += escapes(text);
    }

    const fn scanned(&self) -> usize {
        self.bytes.saturating_mul(self.escapes)
    }
}

impl Work {
    pub(super) const fn new() -> Self {
        let run = Run { bytes: 0, escapes: 0 };
        Self { events: EVENTS_MAX, bytes: BYTES_MAX, scanned: SCANNED_MAX, run }
    }

    /// Takes what an event costs; `None` if that is more than is left.
    pub(super) fn take(&mut self, event: &Event<'_>) -> Option<()> {
        self.events = self.events.checked_sub(1)?;
        match event {
            Event::Text(text) | Event::Code(text) => self.text(text),
            Event::Start(
                Tag::Link { dest_url, title, .. } | Tag::Image { dest_url, title, .. },
            ) => {
                self.alone(dest_url)?;
                self.alone(title)
            }
            Event::End(
                TagEnd::Emphasis
                | TagEnd::Strong
                | TagEnd::Strikethrough
                | TagEnd::Link
                | TagEnd::Image,
            ) => Some(()),
            Event::End(_) => self.run_ends(),
            _ => Some(()),
        }
    }

    /// Takes what a piece of raw HTML costs.
    pub(super) fn raw(&mut self, raw: &str) -> Option<()> {
        self.alone(raw)
    }

    fn text(&mut self, text: &str) -> Option<()> {
        self.bytes = self.bytes.checked_sub(weight(text))?;
        self.run.add(text);
        (self.run.scanned() <= self.scanned).then_some(())
    }

    fn run_ends(&mut self) -> Option<()> {
        let run = std::mem::take(&mut self.run);
        self.scanned = self.scanned.checked_sub(run.scanned())?;
        Some(())
    }

    /// A text of its own.
    fn alone(&mut self, text: &str) -> Option<()> {
        self.bytes = self.bytes.checked_sub(weight(text))?;
        let mut run = Run::default();
        run.add(text);
        self.scanned = self.scanned.checked_sub(run.scanned())?;
        Some(())
    }
}

/// Bytes of a text on its page.
fn weight(text: &str) -> usize {
    text.len() + 4 * text.bytes().filter(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"')).count()
}

/// Characters that who writes a page stops at: ampersands, and those of U+0080 to U+00BF, one of
/// which is a space that does not break.
fn escapes(text: &str) -> usize {
    text.bytes().filter(|byte| matches!(byte, b'&' | 0xc2)).count()
}
