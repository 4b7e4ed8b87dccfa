//! The specification shows counters without labels. The sums that equal them, in docs/metrics.md and
//! in the running program.

use std::collections::BTreeMap;

use crate::support::program::Running;
use crate::support::served::Got;

/// The last section of docs/metrics.md. The first column is the specification's example.
pub const SECTION: &str = "
## The specification's numbers

The specification shows these counters without labels. Each number is the sum over all series of the
metric, since the processes started:

| the specification's example | the query |
| --- | --- |
| `http_requests_total 1234` | `sum(http_requests_total)` |
| `cache_hits_total 567` | `sum(cache_hits_total)` |
| `cache_misses_total 123` | `sum(cache_misses_total)` |
| `extensions_total` | `sum(extensions_total)` |

`sum by (instance) (...)` tells replicas apart. Over the last hour it is, for example,
`sum(increase(http_requests_total[1h]))`. A scrape counts as a request, in the next scrape.
";

/// The values of each metric that the section sums, as Prometheus would: every sample of that name.
fn sums(scrape: &str) -> BTreeMap<&'static str, u64> {
    let names = SECTION.split("`sum(").skip(1).filter_map(|rest| rest.split_once(")`"));
    let names = names.map(|(name, _)| name).filter(|name| !name.contains('('));
    names
        .map(|name| {
            let samples = scrape.lines().filter(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            });
            let values = samples.map(|line| line.rsplit_once(' ').unwrap().1);
            (name, values.map(|value| value.parse::<u64>().unwrap()).sum())
        })
        .collect()
}

#[tokio::test]
async fn the_sums_are_what_was_asked_hit_missed_and_given() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    // A cycle that ends between two requests makes a new list, which is a miss.
    let is_whole =
        |got: &Got| got.status == 200 && got.header("extension-registry-degraded").is_empty();
    running.get_until("/extensions?limit=1", is_whole).await;
    let before = running.get("/metrics").await.text();
    let before = sums(&before);
    assert_eq!(before.keys().count(), 4, "{before:?}");
    // A list of 15 twice, one extension, its versions, what is not there, and what is refused.
    for path in [
        "/extensions",
        "/extensions",
        "/extensions/provider/aws",
        "/extensions/provider/aws/versions",
        "/extensions/provider/none",
        "/extensions?limit=wrong",
        "/nowhere",
    ] {
        running.get(path).await;
    }
    let after = running.get("/metrics").await.text();
    let after = sums(&after);
    let grown = |name: &str| after[name] - before[name];
    // With the first scrape.
    assert_eq!(grown("http_requests_total"), 8);
    assert_eq!(grown("cache_hits_total"), 1);
    assert_eq!(grown("cache_misses_total"), 4);
    // Versions are those of one extension.
    assert_eq!(grown("extensions_total"), 32);
}
