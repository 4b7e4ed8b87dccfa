//! Whether liveness is answered whatever else goes on: by construction, since no test decides by
//! timing.

use axum::body::Body;
use axum::http::Request;
use futures_util::FutureExt as _;

use crate::support::figures::{Stopwatch, figure, p99_and_most};
use crate::support::served::Served;

/// How often it is asked in each situation.
const TIMES: usize = 100;

/// Liveness is answered by the first poll: it waits for nothing that anybody holds, be it a lock, a
/// place, a backend or another thread. How long that takes is printed.
pub fn lives_at_once(served: &Served, situation: &str) {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let request =
            Request::get("/api/v1/health/live").header("host", "x").body(Body::empty()).unwrap();
        let watch = Stopwatch::start();
        let answered = served.router.answer(request).now_or_never();
        times.push(watch.elapsed());
        let status = answered.expect("liveness waits for something").status();
        assert_eq!(status, 200, "{situation}");
    }
    figure(&format!("F22 liveness, {situation}: {}", p99_and_most(times)));
}
