//! Clients of every kind: versions, protocols, the programs `curl` and `openssl`, and clients that
//! speak no TLS.

use std::process::{Output, Stdio};

use http_body_util::BodyExt as _;
use registry_testing::certificates::{Authority, VERSIONS, local};
use registry_testing::http2::Http2;
use registry_testing::tools::is_installed;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{CURL, LIST, LIVE, OPENSSL, served};
use crate::support::raw::{connect, get, raw, rest};
use crate::support::served::{Served, Setup};

#[tokio::test]
async fn http_1_and_2_are_chosen_by_alpn_over_tls_1_2_and_1_3() {
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    for version in VERSIONS {
        for (offered, chosen) in
            [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
        {
            let client = authority.client(&[version], offered);
            let stream = client.connect(local(), connect(&served).await).await.unwrap();
            let session = stream.get_ref().1;
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.alpn_protocol(), chosen.map(str::as_bytes));
            if chosen == Some("h2") {
                let (client, _connection) = Http2::over(stream, 65_535).await;
                let response = client.ask("/extensions").await.unwrap();
                assert_eq!(response.status(), 200);
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert!(body.starts_with(b"[{\"name\":\"aws\""), "{body:?}");
            } else {
                assert!(over_http_1(stream, LIST).await.contains("{\"name\":\"aws\""));
            }
        }
    }
}

/// The response to a request, the last one of its connection.
async fn over_http_1(mut stream: tokio_rustls::client::TlsStream<TcpStream>, path: &str) -> String {
    stream.write_all(get(path).as_bytes()).await.unwrap();
    let response = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    response
}

#[tokio::test]
async fn who_offers_no_protocol_of_ours_is_refused() {
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    let refused = authority.connect(served.address(), &["spdy/3"]).await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    assert!(authority.connect(served.address(), &["h2"]).await.is_ok());
}

#[tokio::test]
async fn a_client_that_ends_its_half_gets_its_whole_response() {
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    for has_notify in [true, false] {
        let mut stream = authority.connect(served.address(), &[]).await.unwrap();
        stream
            .write_all(format!("GET {LIST} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .await
            .unwrap();
        if has_notify {
            stream.shutdown().await.unwrap();
        } else {
            stream.get_mut().0.shutdown().await.unwrap();
        }
        let response = String::from_utf8(rest(&mut stream).await).unwrap();
        assert!(response.ends_with("}]"), "{has_notify}: {response}");
    }
}

#[tokio::test]
async fn plain_http_gets_an_answer_that_names_https_and_the_end_of_the_connection() {
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    for request in [get(LIST), get(LIVE).replace("Connection: close\r\n", ""), get("/nope")] {
        let response = raw(&served, &request).await;
        assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{response}");
        assert!(response.contains("connection: close\r\n"), "{response}");
        assert!(response.contains("content-type: application/json\r\n"), "{response}");
        let message =
            "\"This port speaks HTTPS: write https:// in the address instead of http://\"}";
        assert!(response.ends_with(message), "{response}");
    }
    // A head is read as slowly as it comes, and a body not at all.
    let mut stream = connect(&served).await;
    for byte in b"POST /api/v1/webhooks/gitea HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" {
        stream.write_u8(*byte).await.unwrap();
    }
    let response = rest(&mut stream).await;
    assert!(response.starts_with(b"HTTP/1.1 400 "), "{response:?}");
    assert_eq!(
        Http2::connect(served.address(), 1).await.0.ask("/extensions").await.map(drop),
        None
    );
}

#[tokio::test]
async fn garbage_ends_its_connection_and_nothing_else() {
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    for garbage in [
        &b"\0\0\0\0"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\0\x05hello",
        b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10",
        &vec![0xff; 20_000],
        b"",
    ] {
        let mut stream = connect(&served).await;
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let said = rest(&mut stream).await;
        // An alert of TLS, if anything.
        assert!(said.is_empty() || said.starts_with(&[21, 3]), "{garbage:?}: {said:?}");
    }
    let stream = authority.connect(served.address(), &[]).await.unwrap();
    over_http_1(stream, LIST).await;
}

/// Runs a program with the authority in `ca.pem`.
async fn run(program: &str, authority: &Authority, arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir.path()).stdin(Stdio::null());
    command.env_clear().output().await.unwrap()
}

fn url(served: &Served, path: &str) -> String {
    format!("{}{path}", served.base)
}

#[tokio::test]
async fn curl_verifies_the_certificate_and_speaks_both_protocols() {
    if !is_installed(CURL) {
        return;
    }
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let arguments = ["--silent", "--cacert", "ca.pem", flag, "--write-out", " %{http_version}"];
        let output =
            run(CURL, &authority, &[&arguments[..], &[&url(&served, LIST)]].concat()).await;
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("[{") && said.ends_with(&format!(" {version}")), "{said}");
    }
    let stranger = run(CURL, &Authority::new(), &["--cacert", "ca.pem", &url(&served, LIST)]).await;
    assert_eq!(stranger.status.code(), Some(60), "the certificate is not trusted");
    let plain = url(&served, LIST).replace("https", "http");
    let plain = run(CURL, &authority, &["--silent", &plain]).await;
    let said = String::from_utf8(plain.stdout).unwrap();
    assert!(said.contains("This port speaks HTTPS"), "{said}");
}

#[tokio::test]
async fn openssl_gets_tls_1_2_and_1_3_and_nothing_older() {
    if !is_installed(OPENSSL) {
        return;
    }
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    let address = served.address().to_string();
    let shake = ["s_client", "-connect", &address, "-CAfile", "ca.pem", "-verify_return_error"];
    for (version, expected) in [
        ("-tls1", None),
        ("-tls1_1", None),
        ("-tls1_2", Some("TLSv1.2")),
        ("-tls1_3", Some("TLSv1.3")),
    ] {
        // Without this level openssl itself offers nothing older.
        let old = [version, "-cipher", "ALL:@SECLEVEL=0"];
        let output = run(OPENSSL, &authority, &[&shake[..], &old].concat()).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let new = expected.map(|name| format!("New, {name}, Cipher is "));
        assert_eq!(output.status.success(), new.is_some(), "{version}: {said}");
        assert!(new.is_none_or(|new| said.contains(&new)), "{version}: {said}");
    }
    let mut stream = authority.connect(served.address(), &[]).await.unwrap();
    stream.write_all(get(LIVE).as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}
