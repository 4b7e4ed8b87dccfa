//! Answers that no server library would send: lengths that lie, what is not HTTP, heads without
//! end.

use registry_backends::gitea::settings::GiteaSettings;
use registry_core::backend::Backend as _;
use registry_core::error::{Error, ErrorKind};
use registry_testing::fake_gitea::state::ORGANIZATION;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::backend_of;

/// What a probe makes of these bytes.
async fn probed(answer: String) -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            // The client may hang up before all is sent.
            socket.write_all(answer.as_bytes()).await.ok();
            socket.shutdown().await.ok();
        }
    });
    let settings = GiteaSettings::new(url.parse().unwrap(), ORGANIZATION.parse().unwrap());
    let result = backend_of(settings).probe().await;
    serving.abort();
    result
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{body}")
}

#[tokio::test]
async fn every_honest_way_to_end_a_body_is_taken() {
    for answer in [
        ok("Content-Length: 2", "[]"),
        ok("Transfer-Encoding: chunked", "2\r\n[]\r\n0\r\n\r\n"),
        ok("Connection: close", "[]"),
    ] {
        assert!(probed(answer.clone()).await.is_ok(), "{answer}");
    }
}

#[tokio::test]
async fn row_08_what_lies_or_is_not_http_is_an_error() {
    let long_head = format!("X-Long: {}\r\nContent-Length: 2", "x".repeat(512 * 1024));
    for answer in [
        ok("Content-Length: 20", "[]"),
        ok("Content-Length: 2\r\nContent-Length: 3", "[]"),
        ok("Content-Length: -2", "[]"),
        ok("Content-Length: 99999999999", "[]"),
        ok("Transfer-Encoding: chunked", "2\r\n[]\r\n"),
        ok("Transfer-Encoding: chunked", "zz\r\n[]\r\n"),
        ok(&long_head, "[]"),
        "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        String::new(),
    ] {
        let shown = answer.chars().take(120).collect::<String>();
        let error = probed(answer).await.expect_err(&shown);
        let known =
            matches!(error.kind(), ErrorKind::BackendFaulty | ErrorKind::BackendUnavailable { .. });
        assert!(known, "{shown}: {error}");
        assert!(error.message().contains("backend"), "{shown}: {error}");
    }
}
