//! Rate limits that a response announces, and their durations.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use jiff::Timestamp;

/// Pause after a limit without a duration.
pub(super) const WAIT_DEFAULT: Duration = Duration::from_secs(5);
pub(super) const WAIT_MIN: Duration = Duration::from_secs(1);
/// Upper bound on the pause from `Retry-After`.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);
/// Upper bound on the wait for a quota. Windows longer than an hour slide, or are renewed early.
const QUOTA_MAX: Duration = Duration::from_hours(1);
/// Numbers from here on are seconds since 1970, not a number of seconds to wait.
const EPOCH_MIN: i64 = 1_000_000_000;

/// Headers with the renewal time of a quota, the most common first.
const RESETS: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-reset"),
    HeaderName::from_static("x-ratelimit-reset"),
    HeaderName::from_static("x-rate-limit-reset"),
];
const REMAININGS: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-rate-limit-remaining"),
];
/// Header with all values: `limit=9, remaining=0, reset=7` or `"default";r=0;t=7` (httpapi draft).
const COMBINED: HeaderName = HeaderName::from_static("ratelimit");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    Limited(Duration),
    /// A 503 without `Retry-After`: an outage, or the default status of nginx for a rate limit.
    Overloaded,
}

pub(super) fn load_of(status: StatusCode, headers: &HeaderMap) -> Option<Load> {
    let told = told_to_wait(headers).filter(|wait| !wait.is_zero());
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Load::Limited(pause(headers))),
        StatusCode::SERVICE_UNAVAILABLE => Some(told.map_or(Load::Overloaded, Load::Limited)),
        // GitHub sends 403 for rate limits; a 403 for missing rights has no time.
        StatusCode::FORBIDDEN if told.is_some() || is_used_up(headers) => {
            Some(Load::Limited(pause(headers)))
        }
        _ => None,
    }
}

fn pause(headers: &HeaderMap) -> Duration {
    let wait = told_to_wait(headers).or_else(|| quota_renewal(headers));
    wait.unwrap_or(WAIT_DEFAULT).max(WAIT_MIN)
}

/// Returns the wait from `Retry-After`, at most five minutes. A date is compared with `Date`.
pub(crate) fn told_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = text_of(headers, &RETRY_AFTER)?;
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => since_answer(date(text)?, headers),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Returns the wait until an exhausted quota is renewed, at most an hour.
fn quota_renewal(headers: &HeaderMap) -> Option<Duration> {
    let named = RESETS.iter().find_map(|name| text_of(headers, name));
    let named = named.or_else(|| parameter(text_of(headers, &COMBINED)?, &["reset", "t"]));
    // Docker Hub sends only a window length: `0;w=21600`.
    let seconds = named.or_else(|| parameter(remaining(headers)?, &["w"]))?;
    let seconds: i64 = seconds.parse().ok()?;
    let wait = if seconds < EPOCH_MIN {
        Duration::from_secs(seconds.try_into().ok()?)
    } else {
        since_answer(Timestamp::from_second(seconds).ok()?, headers)
    };
    Some(wait.min(QUOTA_MAX))
}

fn is_used_up(headers: &HeaderMap) -> bool {
    // Docker Hub appends its window (`0;w=21600`), other servers a policy.
    let left = remaining(headers).and_then(|text| text.split([';', ',']).next());
    let left = left.or_else(|| parameter(text_of(headers, &COMBINED)?, &["remaining", "r"]));
    left.is_some_and(|left| left.trim() == "0")
}

/// Returns the time from the response's `Date`, or else the local clock, to this moment.
fn since_answer(at: Timestamp, headers: &HeaderMap) -> Duration {
    // The server's clock may differ from the local one by more than the pause itself.
    let sent = text_of(headers, &DATE).and_then(date).unwrap_or_else(Timestamp::now);
    at.duration_since(sent).try_into().unwrap_or(Duration::ZERO)
}

fn remaining(headers: &HeaderMap) -> Option<&str> {
    REMAININGS.iter().find_map(|name| text_of(headers, name))
}

fn date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Returns the value of the first known parameter, such as `7` for `t` in `"default";r=0;t=7`.
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
