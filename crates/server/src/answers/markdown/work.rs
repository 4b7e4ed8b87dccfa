//! Cost limits for rendering a page, because READMEs are untrusted.

use pulldown_cmark::{Event, Tag, TagEnd};

// Maximum number of parser events; an italic word is three.
const EVENTS_MAX: usize = 150_000;
// Text and URLs after escaping. A reference repeats its URL with each use.
const BYTES_MAX: usize = 2 * 1024 * 1024;
// The serializer scans the rest of a text again after each character to escape.
const SCANNED_MAX: usize = 2 << 30;

pub(super) struct Work {
    events: usize,
    bytes: usize,
    scanned: usize,
    run: Run,
}

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
            // Only blocks end a run: the serializer joins text across inline markup.
            Event::End(_) => self.run_ends(),
            _ => Some(()),
        }
    }

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

    fn alone(&mut self, text: &str) -> Option<()> {
        self.bytes = self.bytes.checked_sub(weight(text))?;
        let mut run = Run::default();
        run.add(text);
        self.scanned = self.scanned.checked_sub(run.scanned())?;
        Some(())
    }
}

fn weight(text: &str) -> usize {
    text.len() + 4 * text.bytes().filter(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"')).count()
}

/// Counts `&` and U+0080 to U+00BF, at which the serializer stops (no-break space).
fn escapes(text: &str) -> usize {
    text.bytes().filter(|byte| matches!(byte, b'&' | 0xc2)).count()
}
