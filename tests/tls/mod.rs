//! TLS on the service's own listener.

mod clients;
mod files;
mod health_port;
mod impatience;
mod keys;
mod renewal;

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_server::server::certificate::Certificate;
use registry_server::server::tls::ServerTls;
use registry_testing::certificates::{Authority, PemPair};
use registry_testing::memory::memory;

use crate::support::served::{Served, Setup};

const CURL: &str = "/usr/bin/curl";
const OPENSSL: &str = "/usr/bin/openssl";
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
