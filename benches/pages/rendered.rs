//! Pages that are not cached: each request names another host, which is part of every page.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use registry_catalog::Catalog;
use registry_catalog::listing::facets::Facets;
use registry_catalog::listing::filter::ListFilter;
use registry_catalog::listing::newest::newest;
use registry_core::models::scope::Scope;
use registry_server::api::routes::Api;
use rustix::time::{ClockId, clock_gettime};

use crate::generated::{Generated, id};
use crate::service::{rules, service};

const EXTENSIONS: usize = 10_000;
const TIMES: usize = 51;
const KEYWORDS: usize = 20;
const NEWEST: usize = 50;

const PART_MAX: Duration = Duration::from_millis(5);
const PAGE_MAX: Duration = Duration::from_millis(10);

/// Measures every kind of page. Returns the promises that are broken.
pub(crate) async fn measure() -> Vec<String> {
    let backend = Arc::new(Generated::new(EXTENSIONS));
    let catalog = Catalog::new(vec![backend], rules());
    let router = service(&catalog, true);
    let _sync = catalog.syncer.start();
    while catalog.store.view().entries(Scope::All).len() < EXTENSIONS {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{:>34}   median and longest of {TIMES}, {EXTENSIONS} extensions", "not cached");
    let mut broken = parts(&catalog);
    for (kind, target) in kinds() {
        let mut times = Vec::new();
        for number in 0..TIMES {
            let before = spent();
            load(&router, &target, number).await;
            times.push(spent().saturating_sub(before));
        }
        broken.extend(report(kind, times, PAGE_MAX));
    }
    broken
}

/// What the catalog contributes to lists, home page and feeds.
fn parts(catalog: &Catalog) -> Vec<String> {
    let view = catalog.store.view();
    let filter = ListFilter::default();
    let facets = times(|| {
        let facets = Facets::count(&view, &filter, &catalog.backends, KEYWORDS);
        assert_eq!(facets.keywords.len(), KEYWORDS);
    });
    let latest = times(|| assert_eq!(newest(&view, None, Scope::All, NEWEST).len(), NEWEST));
    let facets = report("facets of a list", facets, PART_MAX);
    facets.into_iter().chain(report("newest 50 releases", latest, PART_MAX)).collect()
}

fn kinds() -> Vec<(&'static str, String)> {
    let of = |number| {
        let id = id(number);
        format!("/{}/{}", id.extension_type, id.name)
    };
    let page = of(4321);
    vec![
        ("home", "/".to_owned()),
        ("list", "/extensions".to_owned()),
        ("list by date, last page", "/extensions?sort=published&page=200".to_owned()),
        ("list of a type", "/extensions?type=taskserv".to_owned()),
        ("list of a keyword", "/extensions?keyword=operator".to_owned()),
        ("search, few results", "/search?q=w00042".to_owned()),
        ("search, nearly all extensions", "/search?q=available".to_owned()),
        ("search, misspelled", "/search?q=postgrse".to_owned()),
        ("extension", page.clone()),
        ("version", format!("{page}/v/1.0.0")),
        ("versions", format!("{page}/versions")),
        ("changes", format!("{page}/changes")),
        ("provenance", format!("{page}/v/1.0.0/provenance")),
        ("files, archive not stored", format!("{page}/v/1.0.0/files")),
        ("feed of all", "/feeds/all.atom".to_owned()),
        ("feed of an extension", format!("{page}/feed.atom")),
        ("badge", format!("/badges{page}.svg")),
        ("status", "/status".to_owned()),
        ("reference of the API", "/api".to_owned()),
        ("missing, with similar names", "/provider/available".to_owned()),
    ]
}

async fn load(router: &Api, target: &str, number: usize) {
    let request = Request::get(target)
        .header("host", format!("h{number}.example"))
        .header("accept", "text/html")
        .body(Body::empty())
        .unwrap();
    let response = router.answer(request).await;
    assert!(!response.status().is_server_error(), "{target}: {}", response.status());
    response.into_body().collect().await.unwrap();
}

fn times(mut work: impl FnMut()) -> Vec<Duration> {
    let each = (0..TIMES).map(|_| {
        let before = spent();
        work();
        spent().saturating_sub(before)
    });
    each.collect()
}

/// The time that the processor has spent on all threads of this process.
fn spent() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

/// Prints a kind. Returns the promise if its median breaks it.
fn report(kind: &str, mut times: Vec<Duration>, max: Duration) -> Option<String> {
    times.sort();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{kind:>34} {median:>10.2?} {longest:>10.2?}");
    (median > max).then(|| format!("{kind}: {median:.2?}, promised {max:.2?}"))
}
