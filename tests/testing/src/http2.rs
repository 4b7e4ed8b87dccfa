//! A client of HTTP/2 that takes no more than it is told to.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A connection over which several requests can be under way.
#[derive(Clone)]
pub struct Http2(SendRequest<Empty<Bytes>>);

impl Http2 {
    /// Connects; of each answer so many bytes may be on the way that nobody has read. What is
    /// answered beside it ends with the connection.
    pub async fn connect(address: SocketAddr, window: u32) -> (Self, JoinHandle<()>) {
        Self::over(TcpStream::connect(address).await.unwrap(), window).await
    }

    /// The same over a stream that is open.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        window: u32,
    ) -> (Self, JoinHandle<()>) {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            // However it ends.
            let _ = connection.await;
        });
        (Self(sender), connection)
    }

    /// Asks for a path below `/api/v1`; the body is left where it is. `None`: the connection ended.
    pub async fn ask(&self, path: &str) -> Option<Response<Incoming>> {
        let request = Request::get(format!("http://x/api/v1{path}")).body(Empty::new()).unwrap();
        let mut sender = self.0.clone();
        sender.ready().await.ok()?;
        sender.send_request(request).await.ok()
    }

    /// Asks, and reads all of the answer.
    pub async fn whole(&self, path: &str) -> Option<Bytes> {
        let response = self.ask(path).await?;
        Some(response.into_body().collect().await.ok()?.to_bytes())
    }
}
