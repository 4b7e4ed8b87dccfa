//! Trace context of a request: its ids are sent to backends and written to the log. Stored in a
//! task-local, not in a span: backend clients do not know the request, and backends get the ids also
//! where the log's filter turns the spans off. Background work has none.

use std::fmt;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

/// Header of W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
/// Header with data of tracing systems (W3C Trace Context).
pub const TRACESTATE: &str = "tracestate";
// In characters and members. The standard asks for at least 512 characters, and 32 members.
const STATE_MAX: usize = 512;
const STATE_MEMBERS_MAX: usize = 32;

/// Trace context of one request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trace(Arc<Ids>);

#[derive(Debug)]
struct Ids {
    request: String,
    given: Option<(String, String)>,
    /// Data of other tracing systems for that trace; this service adds no entries.
    state: Option<String>,
    // Trace id without a client's. Created on first use: most requests need no backend.
    made: OnceLock<String>,
}

/// Id of a span, as backends get it.
#[derive(Clone, Copy, Debug)]
pub struct SpanId(u64);

impl SpanId {
    /// Creates a random id.
    #[must_use]
    pub fn random() -> Self {
        // The standard has no span 0.
        Self(Uuid::new_v4().as_u64_pair().0.max(1))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

tokio::task_local! {
    static CURRENT: Trace;
}

impl Trace {
    /// Creates the context of a request. An invalid `traceparent` or `tracestate` is ignored.
    #[must_use]
    pub fn new<'a>(
        request: &str,
        traceparent: Option<&str>,
        tracestate: impl Iterator<Item = &'a str>,
    ) -> Self {
        let given = traceparent.and_then(parse);
        let given = given.map(|(trace, flags)| (trace.to_owned(), flags.to_owned()));
        let state = given.is_some().then(|| state_of(tracestate)).flatten();
        Self(Arc::new(Ids { request: request.to_owned(), given, state, made: OnceLock::new() }))
    }

    /// Returns the id of the request.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.0.request
    }

    /// Returns the trace id, if the client sent one or a backend received one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        let given = self.0.given.as_ref().map(|(trace, _)| trace.as_str());
        given.or_else(|| self.0.made.get().map(String::as_str))
    }

    /// Returns the `traceparent` for a backend that is called by this span: the client's trace, or
    /// one marked as not sampled.
    #[must_use]
    pub fn traceparent(&self, span: SpanId) -> String {
        if let Some((trace, flags)) = &self.0.given {
            return format!("00-{trace}-{span}-{flags}");
        }
        let made = self.0.made.get_or_init(|| Uuid::new_v4().simple().to_string());
        format!("00-{made}-{span}-00")
    }

    /// Returns the `tracestate` for backends: the client's, cut to the limits.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.0.state.as_deref()
    }

    /// Runs a future within this context.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }
}

/// Returns the trace id of a `traceparent`; `None` if that is invalid.
#[must_use]
pub fn given_id(traceparent: &str) -> Option<&str> {
    parse(traceparent).map(|(trace, _)| trace)
}

/// Returns the context of the current task.
#[must_use]
pub fn current() -> Option<Trace> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs a future of another task within the context of the task that started it.
pub async fn carried<T>(trace: Option<Trace>, work: impl Future<Output = T>) -> T {
    match trace {
        Some(trace) => trace.scope(work).await,
        None => work.await,
    }
}

/// Parses trace id and flags of `00-<32 hex>-<16 hex>-<2 hex>`; ids of zeros are invalid.
fn parse(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    // Versions after 00 may append fields, which are ignored (W3C Trace Context, section 3.2.4).
    let sane = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let hex = is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    let ids = [trace, parent].iter().all(|id| id.bytes().any(|byte| byte != b'0'));
    (sane && hex && ids).then_some((trace, flags))
}

fn is_hex(part: &str, length: usize) -> bool {
    part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn state_of<'a>(lines: impl Iterator<Item = &'a str>) -> Option<String> {
    // An invalid member invalidates the whole list, as the standard requires.
    let members = lines.flat_map(|line| line.split(',')).map(str::trim);
    let mut state = String::new();
    for member in members.filter(|member| !member.is_empty()).take(STATE_MEMBERS_MAX) {
        let (key, value) = member.split_once('=')?;
        let keyed = key.bytes().all(
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'),
        );
        let valued = value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=');
        if key.is_empty() || !keyed || value.is_empty() || !valued {
            return None;
        }
        if state.len() + 1 + member.len() > STATE_MAX {
            break;
        }
        state.extend([if state.is_empty() { "" } else { "," }, member]);
    }
    (!state.is_empty()).then_some(state)
}

#[cfg(test)]
mod tests {
    use std::iter::empty;

    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_callers_trace_goes_on_with_a_part_of_our_own() {
        let trace = Trace::new("r", Some(GIVEN), empty());
        let (span, other) = (SpanId::random(), SpanId::random());
        let told = trace.traceparent(span);
        assert!(told.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && told.ends_with("-01"));
        assert!(!told.contains("b7ad6b7169203331") && parse(&told).is_some(), "{told}");
        assert_eq!(trace.traceparent(span), told);
        assert_ne!(trace.traceparent(other), told, "each call is a span");
        assert_eq!(trace.id(), Some("0af7651916cd43dd8448eb211c80319c"));
    }

    #[test]
    fn what_is_no_trace_is_replaced_by_one_that_nobody_samples() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01\r\nx: y",
        ] {
            let trace = Trace::new("r", Some(text), ["a=1"].into_iter());
            assert_eq!((trace.id(), trace.tracestate()), (None, None), "{text}");
            let told = trace.traceparent(SpanId::random());
            assert!(parse(&told).is_some() && told.ends_with("-00"), "{told}");
            let again = trace.traceparent(SpanId::random());
            assert_eq!(parse(&told), parse(&again), "one request is one trace");
            assert_eq!(trace.id(), told.split('-').nth(1), "the log has the id of that trace");
        }
    }

    fn state(lines: &[&str]) -> Option<String> {
        let trace = Trace::new("r", Some(GIVEN), lines.iter().copied());
        trace.tracestate().map(str::to_owned)
    }

    #[test]
    fn what_tracing_systems_note_goes_on_whole_and_bounded() {
        let both = state(&["rojo=00f0, congo=t61 x", ",a@b=1"]);
        assert_eq!(both.as_deref(), Some("rojo=00f0,congo=t61 x,a@b=1"));
        for lines in [&[][..], &[""], &["a=1,b"], &["A=1"], &["a="], &["a=1=2"], &["a=1\u{7f}"]] {
            assert_eq!(state(lines), None, "{lines:?}");
        }
        let many: String = (0..100).map(|number| format!("k{number}=v,")).collect();
        assert_eq!(state(&[&many]).unwrap().split(',').count(), STATE_MEMBERS_MAX);
        let (long, short) = (format!("b={}", "x".repeat(STATE_MAX)), "a=1");
        assert_eq!(state(&[short, &long]).as_deref(), Some(short), "members are never cut");
        assert_eq!(state(&[&long]), None);
    }

    #[tokio::test]
    async fn another_task_works_for_the_same_request() {
        assert!(current().is_none());
        let seen = Trace::new("r", None, empty())
            .scope(async {
                let work = carried(current(), async { current().map(|t| t.request().to_owned()) });
                tokio::spawn(work).await.unwrap()
            })
            .await;
        assert_eq!(seen.as_deref(), Some("r"));
    }
}
