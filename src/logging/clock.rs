//! Timestamps of log lines, of which all but the fraction is formatted once a second.

use std::fmt;

use jiff::Timestamp;
use parking_lot::Mutex;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Writes the present time in UTC with microseconds, as in `2026-01-31T23:59:59.123456Z`.
#[derive(Default)]
pub(super) struct LogClock(Mutex<FormattedSecond>);

#[derive(Default)]
struct FormattedSecond {
    /// Unix time, in seconds.
    second: i64,
    /// Date and time without a fraction and a zone; empty at first.
    text: String,
}

impl FormatTime for LogClock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = Timestamp::now();
        let mut last = self.0.lock();
        if last.text.is_empty() || last.second != now.as_second() {
            last.second = now.as_second();
            last.text = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        writer.write_str(&last.text)?;
        write!(writer, ".{:06}Z", now.subsec_microsecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_present_one_in_utc() {
        let clock = LogClock::default();
        for _ in 0..2 {
            let before = Timestamp::now();
            let mut text = String::new();
            clock.format_time(&mut Writer::new(&mut text)).unwrap();
            let told: Timestamp = text.parse().unwrap();
            assert!(told.as_microsecond() >= before.as_microsecond() && told <= Timestamp::now());
            assert_eq!((text.len(), text.get(10..11)), (27, Some("T")), "{text}");
        }
    }
}
