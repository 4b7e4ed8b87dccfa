//! How long a client waits for a list of a thousand tags that no response cache has.

use std::time::Duration;

use tokio::time::Instant;

use crate::catalog::{VERSIONS, tags_after};
use crate::program::Program;
use crate::targets::block_on;

const REQUESTS: usize = 200;
const PROMISED: Duration = Duration::from_millis(2);

/// Requests another page each time, on one connection. Fails if the median is beyond the promise.
pub(crate) fn check(program: &Program) {
    let client = registry_testing::http::client_builder().build().unwrap();
    let mut times = Vec::new();
    block_on(async {
        for number in 0..REQUESTS {
            // Before the first tag, so that all of them follow.
            let target = tags_after(&format!("0.{number}.0"));
            let begun = Instant::now();
            let request = client.get(format!("http://{}{target}", program.address));
            let body = request.send().await.unwrap().bytes().await.unwrap();
            times.push(begun.elapsed());
            assert!(body.len() > VERSIONS * "\"1.0.0\"".len(), "{} bytes", body.len());
        }
    });
    times.sort();
    let [median, p99] = [times[REQUESTS / 2], times[REQUESTS * 99 / 100]];
    println!(
        "{VERSIONS} tags, not cached: median {median:.2?}, p99 {p99:.2?} (promised: {PROMISED:?})"
    );
    assert!(median <= PROMISED, "a promise is broken");
}
