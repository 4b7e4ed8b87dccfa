//! Fields of log lines without colors, in the form of `DefaultFields` for a tenth of the work: that
//! one formats each name, sign and value through adapters for colors.

use std::error::Error;
use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{MakeVisitor, VisitFmt, VisitOutput};
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// Formatter of the fields of one event or span.
pub(super) struct PlainFields;

pub(super) struct PlainVisitor<'a> {
    writer: Writer<'a>,
    is_empty: bool,
    result: fmt::Result,
}

impl<'a> MakeVisitor<Writer<'a>> for PlainFields {
    type Visitor = PlainVisitor<'a>;

    fn make_visitor(&self, writer: Writer<'a>) -> PlainVisitor<'a> {
        PlainVisitor { writer, is_empty: true, result: Ok(()) }
    }
}

impl PlainVisitor<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            let (space, name) = (if self.is_empty { "" } else { " " }, field.name());
            let writer = &mut self.writer;
            self.result = writer
                .write_str(space)
                .and_then(|()| writer.write_str(name.strip_prefix("r#").unwrap_or(name)))
                .and_then(|()| writer.write_char('='))
                .and_then(|()| value(writer));
            self.is_empty = false;
        }
    }

    /// Leaves a field to the default formatter, which escapes messages and lists the causes of errors.
    fn delegate(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        if self.result.is_ok() {
            let mut visitor = DefaultVisitor::new(self.writer.by_ref(), self.is_empty);
            record(&mut visitor);
            self.result = visitor.finish();
            self.is_empty = false;
        }
    }
}

impl Visit for PlainVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_message(field) {
            return self.delegate(|visitor| visitor.record_str(field, value));
        }
        self.write(field, |writer| {
            // Without a branch for each byte, sixteen are compared at once.
            if !value.bytes().fold(true, |all, byte| all & is_literal(byte)) {
                return write!(writer, "{value:?}");
            }
            writer.write_char('"')?;
            writer.write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.delegate(|visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if is_message(field) {
            return self.delegate(|visitor| visitor.record_debug(field, value));
        }
        self.write(field, |writer| write!(writer, "{value:?}"));
    }
}

impl VisitOutput<fmt::Result> for PlainVisitor<'_> {
    fn finish(self) -> fmt::Result {
        self.result
    }
}

impl VisitFmt for PlainVisitor<'_> {
    fn writer(&mut self) -> &mut dyn fmt::Write {
        &mut self.writer
    }
}

fn is_message(field: &Field) -> bool {
    field.name() == "message"
}

/// Returns true for a byte that `Debug` of a text does not escape.
const fn is_literal(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::field::Empty;
    use tracing::subscriber::with_default;
    use tracing::{Subscriber, error, info, info_span};
    use tracing_subscriber::fmt::{self as format, MakeWriter};

    use super::*;

    #[derive(Clone, Default)]
    struct WrittenLines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for WrittenLines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for WrittenLines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn log_everything(subscriber: impl Subscriber + Send + Sync) {
        with_default(subscriber, || {
            let span = info_span!("work", number = 1, text = "a \"b\"", later = Empty);
            let _entered = span.enter();
            span.record("later", "said");
            let (some, none) = (Some(3_u64), None::<u64>);
            let cause = io::Error::other("a\nb");
            let failure = io::Error::other(registry_core::error::Error::not_found("no \x1b[31m"));
            info!(
                plain = "a-b c",
                quoted = "\"\\",
                control = "a\n\x1b[1m",
                wide = "\u{e9}\u{200b}"
            );
            info!(int = -1, float = 0.25, whole = 2.0, truth = true, some, none, "message \x1b[2m");
            info!(shown = %"a b\n", debug = ?[1, 2], r#type = "keyword", "{}", "formatted");
            error!(error = &cause as &dyn Error, other = &failure as &dyn Error, "failed");
            info!("alone");
            info!(nothing = Empty, message = "named");
        });
    }

    #[test]
    fn lines_are_those_of_the_default_formatter() {
        let [ours, theirs]: [WrittenLines; 2] = Default::default();
        let log = || format::Subscriber::builder().without_time().with_ansi(false);
        log_everything(log().fmt_fields(PlainFields).with_writer(ours.clone()).finish());
        log_everything(log().with_writer(theirs.clone()).finish());
        let [ours, theirs] =
            [ours, theirs].map(|lines| String::from_utf8(lines.0.lock().clone()).unwrap());
        assert_eq!(ours, theirs);
        assert!(ours.lines().count() >= 6 && ours.contains("plain=\"a-b c\""), "{ours}");
    }
}
