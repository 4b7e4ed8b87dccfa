//! Registries, storage and token servers that limit how fast they are asked, with and without a word
//! of how long.

use std::time::Duration;

use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry};
use tokio::time::Instant;

use super::transfer::sending;
use crate::oci::{backend, id};

/// Asks for an extension every tenth of a second for this long, as its readers would; how often the
/// registry was asked, and the least that they were told to wait.
async fn asked_within(server: &ScriptedRegistry, span: Duration) -> (usize, Duration) {
    let (backend, begun) = (backend(&server.url()), Instant::now());
    let mut least = Duration::MAX;
    while begun.elapsed() < span {
        let error = backend.extension(&id("aws-provider")).await.unwrap_err();
        let ErrorKind::BackendUnavailable { retry_after } = error.kind() else {
            panic!("{error:?}")
        };
        least = least.min(retry_after);
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    (server.take().len(), least)
}

#[tokio::test(start_paused = true)]
async fn o13_a_limit_without_a_time_is_kept_for_as_long_as_callers_are_told() {
    for (headers, limited, span, most) in [
        (&[][..], "/manifests/", 12, 7),
        (
            &[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")],
            "/manifests/",
            3000,
            3,
        ),
        (&[("ratelimit-remaining", "0;w=60")], "/tags/list", 59, 1),
        (&[("x-ratelimit-reset", "45")], "/v2/", 44, 1),
        (&[("ratelimit", "\"hub\";r=0;t=40")], "/manifests/", 39, 3),
    ] {
        let mut store = Store::default();
        store.push("provisioning/aws-provider", "1.0.0", b"archive");
        let played = PlayedRegistry::new(Dialect::Distribution, store);
        let server = ScriptedRegistry::start(move |seen| {
            let reply = headers
                .iter()
                .fold(Reply::new(429), |reply, (name, value)| reply.header(name, value));
            if seen.path().contains(limited) { reply } else { played.answer(seen) }
        })
        .await;
        let (asked, least) = asked_within(&server, Duration::from_secs(span)).await;
        assert!(asked <= most, "{headers:?}: asked {asked} times in {span} s");
        assert!(least >= Duration::from_secs(1), "{headers:?}: {least:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g20b_a_date_to_ask_again_is_read_by_the_servers_own_clock() {
    for (date, again) in [
        ("Sun, 29 Nov 2099 10:00:00 GMT", "Sun, 29 Nov 2099 10:00:20 GMT"),
        ("Sun, 29 Nov 2015 10:00:00 GMT", "Sun, 29 Nov 2015 10:00:20 GMT"),
    ] {
        let server = ScriptedRegistry::start(move |_| {
            Reply::new(429).header("date", date).header("retry-after", again)
        })
        .await;
        let error = backend(&server.url()).extension(&id("aws-provider")).await.unwrap_err();
        let retry_after = Duration::from_secs(20);
        assert_eq!(error.kind(), ErrorKind::BackendUnavailable { retry_after }, "{date}");
    }
}

#[tokio::test(start_paused = true)]
async fn o13c_storage_that_limits_is_left_alone_for_as_long_as_callers_are_told() {
    for (header, seconds) in [(None, 5), (Some(("ratelimit-remaining", "0;w=600")), 600)] {
        let (server, artifact) = sending(move |_| {
            let reply = Reply::new(429);
            header.into_iter().fold(reply, |reply, (name, value)| reply.header(name, value))
        })
        .await;
        let backend = backend(&server.url());
        server.take();
        for _ in 0..3 {
            let opened = backend.open(&id("aws-provider"), &artifact, None).await;
            let error = match opened {
                Ok(download) => download.begun().await.map(drop).unwrap_err(),
                Err(error) => error,
            };
            let retry_after = Duration::from_secs(seconds);
            assert_eq!(error.kind(), ErrorKind::BackendUnavailable { retry_after });
        }
        assert_eq!(server.take().len(), 1, "{header:?}");
    }
}
