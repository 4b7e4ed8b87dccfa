//! Which request something is done for: its ids go to the backends and into the log.
//!
//! A task-local, because what asks a backend does not know of requests. Rounds and other questions
//! of the service itself are done for nobody.

use std::sync::{Arc, OnceLock};

use uuid::Uuid;

/// The name of the header of W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";

/// The ids of one request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trace(Arc<Ids>);

#[derive(Debug)]
struct Ids {
    request: String,
    /// Trace id and flags, as the caller said.
    given: Option<(String, String)>,
    /// What backends are told. Made when it is first wanted: most answers ask no backend.
    told: OnceLock<String>,
}

tokio::task_local! {
    static CURRENT: Trace;
}

impl Trace {
    /// Of a request of this id, with the `traceparent` of its caller if that makes sense.
    #[must_use]
    pub fn new(request: &str, traceparent: Option<&str>) -> Self {
        let given = traceparent.and_then(parse);
        Self(Arc::new(Ids { request: request.to_owned(), given, told: OnceLock::new() }))
    }

    /// The id of the request.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.0.request
    }

    /// The id of the trace, if the caller gave one or a backend was told one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        let given = self.0.given.as_ref().map(|(trace, _)| trace.as_str());
        given.or_else(|| self.0.told.get()?.split('-').nth(1))
    }

    /// The `traceparent` for backends: the caller's trace, or one of our own that nobody samples,
    /// and an id for our part in it.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        self.0.told.get_or_init(|| {
            let (ours, made) = (Uuid::new_v4().as_u64_pair().0, Uuid::new_v4().simple());
            match &self.0.given {
                Some((trace, flags)) => format!("00-{trace}-{ours:016x}-{flags}"),
                None => format!("00-{made}-{ours:016x}-00"),
            }
        })
    }

    /// Does something for this request.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }
}

/// The request that the current task works for.
#[must_use]
pub fn current() -> Option<Trace> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Work that another task will do, for the request that the current one works for.
pub async fn carried<T>(trace: Option<Trace>, work: impl Future<Output = T>) -> T {
    match trace {
        Some(trace) => trace.scope(work).await,
        None => work.await,
    }
}

/// Trace id and flags of `00-<32 hex>-<16 hex>-<2 hex>`; ids of zeros mean nothing.
fn parse(text: &str) -> Option<(String, String)> {
    let hex = |part: &str, length: usize| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part.len() == length && part.bytes().all(digit)
    };
    let some = |part: &str| part.bytes().any(|byte| byte != b'0');
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let sane = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let ids = hex(trace, 32) && some(trace) && hex(parent, 16) && some(parent) && hex(flags, 2);
    (sane && ids).then(|| (trace.to_owned(), flags.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_callers_trace_goes_on_with_a_part_of_our_own() {
        let trace = Trace::new("r", Some(GIVEN));
        let told = trace.traceparent().to_owned();
        assert!(told.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && told.ends_with("-01"));
        assert!(!told.contains("b7ad6b7169203331") && parse(&told).is_some(), "{told}");
        assert_eq!(trace.traceparent(), told, "one request is one part");
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
            let trace = Trace::new("r", Some(text));
            assert_eq!(trace.id(), None, "{text}");
            let told = trace.traceparent();
            assert!(parse(told).is_some() && told.ends_with("-00"), "{told}");
        }
    }

    #[tokio::test]
    async fn another_task_works_for_the_same_request() {
        assert!(current().is_none());
        let seen = Trace::new("r", None)
            .scope(async {
                let work = carried(current(), async { current().map(|t| t.request().to_owned()) });
                tokio::spawn(work).await.unwrap()
            })
            .await;
        assert_eq!(seen.as_deref(), Some("r"));
    }
}
