//! Downloads that are under way: two hundred at a stop, and a client that reads byte by byte.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use registry_core::models::backend_id::BackendId;
use registry_server::server::{Limits, Stop};
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ROOM;
use crate::support::served::{Served, Setup};

const PATH: &str = "/api/v1/extensions/provider/aws/1.0.0";
/// More than the sockets between take by themselves.
const SIZE: usize = 16 << 20;

async fn served(dir: &std::path::Path) -> Served {
    let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
    backend.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), vec![7; SIZE]);
    let usual = Setup::default();
    let setup = Setup {
        limits: Limits { max_connections: 300, grace: Duration::from_mins(1), ..usual.limits },
        store: Some((dir.to_owned(), ROOM)),
        ..usual
    };
    Served::with(vec![backend], setup).await
}

#[tokio::test]
async fn two_hundred_downloads_outlive_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let served = served(dir.path()).await;
    let url = format!("{}{PATH}", served.base);
    let begin = (0..200).map(|_| async {
        let mut response = reqwest::get(&url).await.unwrap();
        let first = response.chunk().await.unwrap().unwrap().len();
        (first, response)
    });
    let begun = join_all(begin).await;
    served.draining.begin();
    served.stop.send_replace(Stop::Drain);
    let rest = begun.into_iter().map(|(first, mut response)| async move {
        let mut length = first;
        while let Some(piece) = response.chunk().await.unwrap() {
            length += piece.len();
        }
        length
    });
    assert_eq!(join_all(rest).await, [SIZE; 200]);
    served.server.await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_byte_by_byte_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let served = served(dir.path()).await;
    served.get("/extensions").await;
    let mut slow = TcpStream::connect(served.base.strip_prefix("http://").unwrap()).await.unwrap();
    slow.write_all(format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..100 {
        slow.read_u8().await.unwrap();
    }
    let others = (0..4).map(|_| served.get("/extensions/provider/aws/1.0.0"));
    assert!(join_all(others).await.iter().all(|got| got.body.len() == SIZE));
    slow.read_u8().await.unwrap();
}
