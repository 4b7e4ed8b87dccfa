//! The part of the API that a connection gets, by its listener and the limits on connections.

use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::edge::problem::Problem;
use crate::urls::{Route as _, SystemRoute};

// Endpoints for orchestrators: no token, no limits, and available under any load.
const HEALTH: [SystemRoute; 3] = [SystemRoute::Health, SystemRoute::Live, SystemRoute::Ready];
// Endpoint for monitoring, exempt from the permit: it is needed most when the service is full.
const WATCHED: SystemRoute = SystemRoute::Metrics;

/// The part of the API that a connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Everything.
    Whole,
    /// Endpoints that need no permit; for connections beyond the limit.
    Overflow,
    /// Health and metrics; for `server.health_port`.
    Monitoring,
    /// A refusal; for plain HTTP on a port with TLS.
    PlainHttp,
}

pub(super) fn is_health(route: Option<SystemRoute>) -> bool {
    route.is_some_and(|route| HEALTH.contains(&route))
}

pub(super) fn is_metrics(route: Option<SystemRoute>) -> bool {
    route == Some(WATCHED)
}

/// Marks a request for a path outside of `server.base_path`.
#[derive(Clone, Debug)]
pub(super) struct OutsideBasePath(pub(super) String);

/// Refuses requests that the surface of their connection never serves.
pub(super) fn on_surface(head: &Parts, surface: Surface) -> Result<(), Problem> {
    if let Some(OutsideBasePath(base_path)) = head.extensions.get() {
        let message = format!("No resource at this path; everything lies below {base_path}/");
        return Err(Problem::new(StatusCode::NOT_FOUND, message));
    }
    match surface {
        Surface::PlainHttp => {
            let message =
                "This port speaks HTTPS: write https:// in the address instead of http://";
            Err(Problem::bad_request(message).closing())
        }
        Surface::Monitoring if SystemRoute::at(head.uri.path()).is_none() => {
            let message = format!(
                "This port serves only {} and {}; everything else is on server.port",
                HEALTH.map(|route| route.relative()).join(", "),
                WATCHED.relative()
            );
            Err(Problem::new(StatusCode::NOT_FOUND, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn passes(surface: Surface, path: &str) -> bool {
        let (head, ()) = Request::get(path).body(()).unwrap().into_parts();
        on_surface(&head, surface).is_ok()
    }

    #[test]
    fn monitoring_is_health_and_metrics_and_nothing_else() {
        for (path, is_monitored) in [
            ("/api/v1/health", true),
            ("/api/v1/health/live", true),
            ("/api/v1/health/ready", true),
            ("/api/v1/metrics", true),
            ("/api/v1/health/other", false),
            ("/api/v1/extensions", false),
            ("/api/v1/cache/stats", false),
            ("/health", false),
            ("/", false),
        ] {
            assert_eq!(passes(Surface::Monitoring, path), is_monitored, "{path}");
            assert!(passes(Surface::Whole, path) && passes(Surface::Overflow, path), "{path}");
            assert!(!passes(Surface::PlainHttp, path), "{path}");
        }
    }
}
