//! TLS on the service's own listener.

mod clients;
mod files;
mod health_port;
mod impatience;
mod renewal;

use std::sync::Arc;

use extension_registry::models::backend_id::BackendId;
use extension_registry::server::certificate::Certificate;
use extension_registry::server::tls::ServerTls;

use crate::support::certificates::{Authority, PemPair};
use crate::support::served::{Served, Setup, memory};

const LIST: &str = "/api/v1/extensions";
const LIVE: &str = "/api/v1/health/live";

fn parsed(pair: &PemPair) -> Certificate {
    Certificate::parse(pair.chain.as_bytes(), pair.key.as_bytes()).unwrap()
}

fn server(authority: &Authority) -> Arc<ServerTls> {
    Arc::new(ServerTls::new(&parsed(&authority.certificate())).unwrap())
}

/// A service over TLS.
async fn served(authority: &Authority, setup: Setup) -> Served {
    let setup = Setup { tls: Some(server(authority)), ..setup };
    Served::with(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])], setup).await
}
