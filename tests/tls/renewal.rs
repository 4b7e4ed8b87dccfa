//! A certificate that is replaced while it is served.

use registry_core::models::backend_id::BackendId;
use registry_testing::certificates::Authority;
use registry_testing::http2::Http2;
use registry_testing::memory::memory;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{LIVE, parsed, server};
use crate::support::raw::head;
use crate::support::served::{Served, Setup};

async fn alive(stream: &mut TlsStream<TcpStream>) -> bool {
    let request = format!("GET {LIVE} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    head(stream).await.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn new_connections_get_the_renewed_certificate_and_open_ones_go_on() {
    let [old, new] = [Authority::new(), Authority::new()];
    let tls = server(&old);
    let setup = Setup { tls: Some(tls.clone()), ..Setup::default() };
    let served = Served::with(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])], setup).await;
    let address = served.address();
    let mut first = old.connect(address, &[]).await.unwrap();
    assert!(alive(&mut first).await);
    let (second, _connection) =
        Http2::over(old.connect(address, &["h2"]).await.unwrap(), 65_535).await;
    tls.replace(&parsed(&new.certificate()));
    assert!(old.connect(address, &[]).await.is_err(), "the old certificate is gone");
    assert!(alive(&mut new.connect(address, &[]).await.unwrap()).await);
    assert!(alive(&mut first).await);
    assert_eq!(second.ask("/extensions").await.unwrap().status(), 200);
}
