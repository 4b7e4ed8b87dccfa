//! The least that passes bytes on and hashes them: hyper and sha2, nothing else.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

/// Serves for ever what the backend at `host:port` has; prints its address first.
pub(crate) async fn serve(backend: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (client, base) = (client.clone(), format!("http://{backend}"));
        let service = service_fn(move |request: Request<Incoming>| {
            let url = format!("{base}{}", request.uri()).parse().unwrap();
            let answer = client.get(url);
            async move {
                let mut hasher = Sha256::new();
                let hashed = answer.await.unwrap().map(|body| {
                    body.map_frame(move |frame| {
                        frame.data_ref().into_iter().for_each(|piece| hasher.update(piece));
                        frame
                    })
                });
                Ok::<_, Infallible>(hashed)
            }
        });
        let server = hyper::server::conn::http1::Builder::new();
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    }
}
