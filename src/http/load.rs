//! What an answer says of the load: whether it limits us, and for how long.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use jiff::Timestamp;

/// The pause after a limit that names none.
pub(super) const WAIT_DEFAULT: Duration = Duration::from_secs(5);
/// The shortest pause after a limit.
pub(super) const WAIT_MIN: Duration = Duration::from_secs(1);
/// `Retry-After` cannot silence us for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// A quota that is used up cannot either. Longer windows than an hour slide, or are renewed early.
const QUOTA_MAX: Duration = Duration::from_secs(3600);
/// Larger numbers are no seconds to wait but seconds since 1970.
const EPOCH_MIN: i64 = 1_000_000_000;

/// The headers that tell when a quota is renewed, the most used first.
const RESETS: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-reset"),
    HeaderName::from_static("x-ratelimit-reset"),
    HeaderName::from_static("x-rate-limit-reset"),
];
/// The headers that tell what is left of a quota.
const REMAININGS: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-rate-limit-remaining"),
];
/// The header that tells both, in drafts of RFC 9331's successor: `limit=9, remaining=0, reset=7`
/// or `"default";r=0;t=7`.
const COMBINED: HeaderName = HeaderName::from_static("ratelimit");

/// How an answer limits us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// The server asks for this pause.
    Limited(Duration),
    /// 503 without a word: an outage, or how nginx limits unless it is told otherwise.
    Overloaded,
}

/// How an answer limits us; `None`: it does not.
pub(super) fn load_of(status: StatusCode, headers: &HeaderMap) -> Option<Load> {
    let told = || told_to_wait(headers).filter(|wait| !wait.is_zero());
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Load::Limited(pause(headers))),
        StatusCode::SERVICE_UNAVAILABLE => Some(told().map_or(Load::Overloaded, Load::Limited)),
        // As GitHub says it; the other meaning of a 403 comes without a time.
        StatusCode::FORBIDDEN if told().is_some() || is_used_up(headers) => {
            Some(Load::Limited(pause(headers)))
        }
        _ => None,
    }
}

/// The pause that a limit asks for.
fn pause(headers: &HeaderMap) -> Duration {
    let wait = told_to_wait(headers).or_else(|| quota_renewal(headers));
    wait.unwrap_or(WAIT_DEFAULT).max(WAIT_MIN)
}

/// When to ask again, from `Retry-After` in either of its forms; never longer than five minutes.
/// `None` where it is not there, or nonsense. A date is read by the server's own clock.
pub(crate) fn told_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = text_of(headers, &RETRY_AFTER)?;
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    let until = || Some(since_answer(date(text)?, headers));
    seconds.or_else(until).map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// When a quota that is used up is renewed; never longer than an hour.
fn quota_renewal(headers: &HeaderMap) -> Option<Duration> {
    let named = RESETS.iter().find_map(|name| text_of(headers, name));
    let combined = text_of(headers, &COMBINED);
    let named = named.or_else(|| parameter(combined?, &["reset", "t"]));
    // Docker Hub tells no more than how long its window is: `0;w=21600`.
    let window = || {
        let remaining = REMAININGS.iter().find_map(|name| text_of(headers, name))?;
        parameter(remaining, &["w"])
    };
    let seconds: i64 = named.or_else(window)?.parse().ok()?;
    let wait = if seconds < EPOCH_MIN {
        Duration::from_secs(seconds.try_into().ok()?)
    } else {
        since_answer(Timestamp::from_second(seconds).ok()?, headers)
    };
    Some(wait.min(QUOTA_MAX))
}

/// Whether the answer says that nothing is left of a quota.
fn is_used_up(headers: &HeaderMap) -> bool {
    let remaining = REMAININGS.iter().find_map(|name| text_of(headers, name));
    let combined = text_of(headers, &COMBINED);
    let combined = || parameter(combined?, &["remaining", "r"]);
    let left = remaining.and_then(|text| text.split([';', ',']).next()).or_else(combined);
    left.is_some_and(|left| left.trim() == "0")
}

/// The time until this moment, by the `Date` of the answer; by our clock where it has none.
fn since_answer(at: Timestamp, headers: &HeaderMap) -> Duration {
    let sent = text_of(headers, &DATE).and_then(date).unwrap_or_else(Timestamp::now);
    at.duration_since(sent).try_into().unwrap_or(Duration::ZERO)
}

fn date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The value of the first parameter of one of these names, such as `7` of `"default";r=0;t=7`.
fn parameter<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    let pairs = text.split([';', ',']).filter_map(|part| part.split_once('='));
    let mut found = pairs.filter(|(name, _)| names.contains(&name.trim()));
    found.next().map(|(_, value)| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn limited(status: u16, of: &[(&'static str, &str)]) -> Option<u64> {
        match load_of(StatusCode::from_u16(status).unwrap(), &headers(of)) {
            Some(Load::Limited(wait)) => Some(wait.as_secs()),
            Some(Load::Overloaded) => Some(0),
            None => None,
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_capped() {
        for (text, seconds) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("1000000000000", Some(300)),
            ("-5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Tue, 01 Jan 2999 00:00:00 GMT", Some(300)),
        ] {
            let found = told_to_wait(&headers(&[("retry-after", text)]));
            assert_eq!(found.map(|wait| wait.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn g20_a_date_is_read_by_the_clock_of_who_wrote_it() {
        let at = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (date, seconds) in [
            ("Sun, 06 Nov 1994 08:49:34 GMT", 3),
            ("Sun, 06 Nov 1994 07:49:37 GMT", 300),
            ("Sun, 06 Nov 1994 08:49:40 GMT", 0),
            ("no date", 0),
        ] {
            let found = told_to_wait(&headers(&[("retry-after", at), ("date", date)]));
            assert_eq!(found, Some(Duration::from_secs(seconds)), "{date}");
        }
        let date = "Sun, 06 Nov 1994 08:49:34 GMT";
        let reset = limited(429, &[("x-ratelimit-reset", "784111777"), ("date", date)]);
        assert_eq!(reset, Some(3600), "before 2001 no number of seconds is a date");
        let date = ("date", "Sun, 09 Sep 2001 01:46:40 GMT");
        assert_eq!(limited(429, &[("x-ratelimit-reset", "1000000030"), date]), Some(30));
    }

    #[test]
    fn o13_the_window_of_a_limit_is_kept() {
        for (status, of, seconds) in [
            (429, &[][..], Some(5)),
            (
                429,
                &[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")],
                Some(3600),
            ),
            (429, &[("ratelimit-remaining", "0;w=60")], Some(60)),
            (429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "42")], Some(42)),
            (429, &[("x-ratelimit-reset", "17")], Some(17)),
            (429, &[("x-rate-limit-reset", "18")], Some(18)),
            (429, &[("ratelimit", "limit=9, remaining=0, reset=19")], Some(19)),
            (429, &[("ratelimit", "\"default\";r=0;t=20")], Some(20)),
            (429, &[("retry-after", "3"), ("ratelimit-remaining", "0;w=60")], Some(3)),
            (429, &[("retry-after", "0")], Some(1)),
            (429, &[("ratelimit-reset", "-3")], Some(5)),
            (429, &[("ratelimit-reset", "soon")], Some(5)),
            (503, &[("retry-after", "9")], Some(9)),
            (503, &[("retry-after", "0")], Some(0)),
            (503, &[], Some(0)),
            (403, &[("retry-after", "60")], Some(60)),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")], Some(30)),
            (403, &[("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "30")], None),
            (403, &[], None),
            (200, &[("ratelimit-remaining", "0;w=60")], None),
            (500, &[("retry-after", "9")], None),
        ] {
            assert_eq!(limited(status, of), seconds, "{status} {of:?}");
        }
    }
}
