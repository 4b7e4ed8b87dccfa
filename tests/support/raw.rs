//! Connections over which a test says what no client library would.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::served::Served;

/// A connection to a service.
pub async fn connect(served: &Served) -> TcpStream {
    to(served.address()).await
}

/// A connection to an address.
pub async fn to(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Everything that the service sends until it closes or cuts the connection.
pub async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end too; what came before it counts.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

/// The head of the next answer on this connection; what follows is left there.
pub async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Sends bytes that no client library would, and reads the whole answer.
pub async fn raw(served: &Served, request: &str) -> String {
    let mut stream = connect(served).await;
    // It may be refused before all is sent.
    let _ = stream.write_all(request.as_bytes()).await;
    String::from_utf8_lossy(&rest(&mut stream).await).into_owned()
}

/// A request for a path, the last one of its connection.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}
