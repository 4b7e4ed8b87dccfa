//! Failures tell callers what went wrong, and nothing of where and how the service looked.

use std::sync::Arc;

use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_testing::canary;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::served::Served;

/// A server that answers everything with these bytes, and its port. `None`: nobody is there.
async fn upstream(answer: Option<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let Some(answer) = answer else { return };
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    port
}

#[expect(clippy::unnecessary_wraps, reason = "a case may be a connection without an answer")]
fn http(status: &str, headers: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\nX-Canary: canary-header\r\n{headers}\r\n{body}"
    ))
}

#[tokio::test(start_paused = true)]
async fn no_failure_of_a_backend_tells_its_address_its_words_or_our_token() {
    for answer in [
        None,
        http("500 Oops", "", "canary-body at /srv/canary/stack.go:1"),
        http("401 No", "WWW-Authenticate: Basic realm=\"canary-realm\"\r\n", "canary-body"),
        http("403 No", "", "canary-body"),
        http("429 Slow", "Retry-After: 7\r\n", "canary-body"),
        http("302 Found", "Location: http://canary-host.example/x\r\n", ""),
        http("302 Found", "Location: http://169.254.169.254/canary-path\r\n", ""),
        http("200 OK", "Content-Type: application/json\r\n", "{\"canary-body\": "),
        http("200 OK", "Content-Type: text/html\r\n", "<h1>canary-body</h1>"),
        Some("SSH-2.0-canary\r\n".to_owned()),
    ] {
        let port = upstream(answer.clone()).await;
        let url = format!("http://127.0.0.1:{port}");
        let token = canary::secret_for(&url, "read");
        let settings = GiteaSettings {
            token: Some(token.parse().unwrap()),
            ..GiteaSettings::new(url.parse().unwrap(), "canary-org".parse().unwrap())
        };
        let backend = GiteaBackend::new(settings, Arc::new(())).unwrap();
        let served = Served::over(vec![Arc::new(backend)]).await;
        for path in [
            "/extensions",
            "/extensions/search?q=a",
            "/extensions/provider/aws",
            "/extensions/provider/aws/versions",
            "/extensions/provider/aws/1.0.0",
            "/extensions/provider/aws/1.0.0/metadata",
            "/extensions/provider/aws/readme",
        ] {
            for accept in ["*/*", "application/problem+json, */*;q=0.1"] {
                let got = served.get_with(path, &[("accept", accept)]).await;
                assert!(got.status.is_server_error(), "{path} with {answer:?}: {}", got.status);
                let said = format!("{:?} {}", got.headers, got.text());
                for secret in ["canary", "127.0.0.1", "169.254", "http:", ".rs", "panicked"] {
                    assert!(!said.contains(secret), "{path}: {secret} is in {said}");
                }
                let address = format!(":{port}");
                assert!(!said.contains(&address), "{path}: {said}");
            }
        }
    }
}
