//! What clients and the network before us do wrong.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use extension_registry::config::{Sources, load};
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::edge::admission::Admission;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::request_limit::RequestLimit;
use registry_server::server::Limits;
use registry_server::server::activity::ClientTimeouts;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::memory;
use registry_testing::scripted::{Asked, Scripted};
use reqwest::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::figures::{Stopwatch, figure, p99_and_most};
use crate::support::layouts::publish_with;
use crate::support::liveness::lives_at_once;
use crate::support::raw::{connect, get, head, raw, rest};
use crate::support::served::{Served, Setup};

const DOWNLOAD: &str = "/api/v1/extensions/provider/aws/1.0.0";
const LIVE: &str = "/api/v1/health/live";

#[tokio::test]
async fn row_29_more_work_than_there_is_room_for_is_refused_and_what_was_begun_is_finished() {
    const ROOM: usize = 20;
    let release = Arc::new(Notify::new());
    let mut backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.hold = Some(Arc::clone(&release));
    let admission = Admission { requests: RequestLimit::of(ROOM), ..Admission::default() };
    let http = HttpRules { admission: Arc::new(admission), ..HttpRules::default() };
    let served = Served::with(vec![Arc::new(backend)], Setup { http, ..Setup::default() }).await;
    let mut begun = Vec::new();
    for _ in 0..ROOM {
        let mut stream = connect(&served).await;
        stream.write_all(get(DOWNLOAD).as_bytes()).await.unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
        begun.push(stream);
    }
    for _ in 0..200 {
        let got = served.get("/extensions").await;
        assert_eq!((got.status, got.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        assert_eq!(served.get("/health/live").await.status, StatusCode::OK);
    }
    lives_at_once(&served, "all places taken");
    let finishing = tokio::spawn(async move {
        loop {
            release.notify_waiters();
            tokio::task::yield_now().await;
        }
    });
    for stream in &mut begun {
        assert_eq!(rest(stream).await, b"provider/aws:1.0.0@local");
    }
    finishing.abort();
}

/// How many sockets a test may have open beside all else, of the number wanted. The limit is raised
/// as far as the system lets us; where that is not enough the test is smaller, and fails in CI.
fn affordable(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    // As root the hard limit can be raised too; who may not is told below.
    let enough = Some(limit.maximum.unwrap_or(u64::MAX).max(wanted as u64 * 4 + 400));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: enough, maximum: enough });
    if raised.is_err() {
        let soft = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, soft).unwrap();
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let affordable = usize::try_from(files.saturating_sub(400) / 4).unwrap_or(usize::MAX);
    if affordable < wanted {
        let shortage = format!("{affordable} slow clients instead of {wanted}: see ulimit -n");
        let ci = std::env::vars().any(|(name, value)| name == "CI" && value == "true");
        assert!(!ci, "{shortage}");
        figure(&format!("F16 {shortage}"));
    }
    affordable.min(wanted)
}

/// How long honest clients wait, one after the other, each on a connection of its own.
async fn honest(served: &Served) -> String {
    let mut times = Vec::new();
    for _ in 0..200 {
        let watch = Stopwatch::start();
        assert!(raw(served, &get(LIVE)).await.starts_with("HTTP/1.1 200"));
        times.push(watch.elapsed());
    }
    p99_and_most(times)
}

#[tokio::test(start_paused = true)]
async fn row_31_two_thousand_slow_heads_are_cut_in_time_and_others_are_answered() {
    let count = affordable(2000);
    let limits = Limits {
        max_connections: count + 10,
        grace: Duration::from_secs(5),
        patience: ClientTimeouts::default(),
    };
    let setup = Setup { limits, ..Setup::default() };
    let served = Served::with(vec![memory(BackendId::LOCAL, &[])], setup).await;
    let alone = honest(&served).await;
    let mut slow = JoinSet::new();
    for number in 0..count {
        let mut stream = connect(&served).await;
        let begun = Instant::now();
        if number % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-").await.unwrap();
        }
        slow.spawn(async move {
            rest(&mut stream).await;
            begun.elapsed()
        });
    }
    let beside = honest(&served).await;
    lives_at_once(&served, &format!("{count} slow heads"));
    let mut longest = Duration::ZERO;
    for took in slow.join_all().await {
        let expected = Duration::from_secs(10)..=Duration::from_millis(10_500);
        assert!(expected.contains(&took), "cut after {took:?}");
        longest = longest.max(took);
    }
    figure(&format!(
        "F16 {count} slow heads: the last is closed after {longest:.1?} of virtual time"
    ));
    figure(&format!("F16 honest clients beside them: {beside}; alone: {alone}"));
    assert!(raw(&served, &get(LIVE)).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn row_31_a_connection_may_idle_for_a_minute_and_a_later_head_must_come_in_ten_seconds() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &[])]).await;
    let request = format!("GET {LIVE} HTTP/1.1\r\nHost: x\r\n\r\n");
    for (then, seconds) in [("", 60), ("GET / HT", 10)] {
        let mut stream = connect(&served).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
        let answered = Instant::now();
        stream.write_all(then.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, b"");
        let took = answered.elapsed().as_millis();
        assert!((seconds * 1000..seconds * 1000 + 500).contains(&took), "{then:?}: {took} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn row_32_a_client_that_stops_reading_is_cut_within_a_minute_and_holds_nobody_up() {
    let backend = memory(BackendId::LOCAL, &["provider/small:1.0.0"]);
    // More than the system holds for both ends of a connection.
    let archive = vec![7_u8; 48 << 20];
    backend.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), archive);
    let admission = Admission { requests: RequestLimit::of(2), ..Admission::default() };
    let http = HttpRules { admission: Arc::new(admission), ..HttpRules::default() };
    let served = Served::with(vec![backend], Setup { http, ..Setup::default() }).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let mut stream = connect(&served).await;
    stream.write_all(get(DOWNLOAD).as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    let mut some = vec![0; 64 * 1024];
    stream.read_exact(&mut some).await.unwrap();
    let read = Instant::now();
    let small = raw(&served, &get("/api/v1/extensions/provider/small/1.0.0")).await;
    assert!(small.ends_with("provider/small:1.0.0@local"), "{small}");
    lives_at_once(&served, "a client that reads nothing");
    let room = &served.admission().requests;
    // Of two places the download has one for as long as it goes on.
    while room.enter().zip(room.enter()).is_none() {
        assert!(read.elapsed() < Duration::from_secs(61), "it is not cut");
        sleep(Duration::from_millis(100)).await;
    }
    figure(&format!("F17 a client that reads nothing is cut after {:.1?}", read.elapsed()));
    let read = rest(&mut stream).await.len();
    assert!(read < 48 << 20, "{read} bytes came, though nothing was read for a minute");
}

#[tokio::test(start_paused = true)]
async fn row_32_the_same_holds_for_json() {
    let names: Vec<String> = (0..1000).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let served = Served::over(vec![memory(BackendId::LOCAL, &names)]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let mut stream = connect(&served).await;
    let one = "GET /api/v1/extensions?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(one.repeat(200).as_bytes()).await.unwrap();
    head(&mut stream).await;
    sleep(Duration::from_secs(61)).await;
    let read = rest(&mut stream).await;
    let ends = read.windows(4).filter(|window| *window == b"}]HT").count();
    assert!(ends < 190, "{ends} answers came, though nothing was read for a minute");
}

#[test]
fn row_36_a_configuration_that_is_wrong_does_not_start_and_names_its_line() {
    const WRONG: [&str; 30] = [
        "[server",
        "[server]]",
        "port",
        "port = 1",
        "= 1",
        "[server]\nport = \"x\"",
        "[server]\nport = -1",
        "[server]\nport = 65536",
        "[server]\nport = 1.5",
        "[server]\nport = 99999999999999999999",
        "[server]\nport = ",
        "[server]\nport = 1\nport = 2",
        "[server]\nhost = \"\"",
        "[server]\nhost = \"x",
        "[server]\nhost = x",
        "[server]\nworkers = 0",
        "[server]\nenable_cors = 1",
        "[server]\nmax_requests = 0",
        "[server]\ntrusted_proxies = [\"10.0.0.0/33\"]",
        "[server]\ntrusted_proxies = [\"proxy.example.com\"]",
        "[server]\ntrusted_proxies = \"10.0.0.1\"",
        "[rate_limit]",
        "[rate_limit]\nrequests_per_second = 0",
        "[rate_limit]\nrequests_per_second = 1\nburst = 0",
        "[auth]",
        "[auth]\ntokens_path = \"\"",
        "[gitea]\nurl = \"ftp://x\"\norganization = \"x\"",
        "[cache]\nttl_seconds = 0",
        "[catalog]\norder = [\"gitea\", \"gitea\"]",
        "[nothing]",
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    for wrong in WRONG {
        std::fs::write(&path, format!("[local]\npath = \"x\"\n\n{wrong}\n")).unwrap();
        let problems = problems_of(&path);
        assert!(problems.contains("config.toml:"), "{wrong}: {problems}");
        let lines = problems.lines().filter_map(|line| line.split("config.toml:").nth(1));
        let lines: Vec<usize> =
            lines.map(|rest| rest.split(':').next().unwrap().parse().unwrap()).collect();
        assert!(lines.iter().all(|line| (4..=7).contains(line)), "{wrong}: {problems}");
    }
    std::fs::write(&path, [0xff, 0xfe, b'x']).unwrap();
    assert!(problems_of(&path).contains("cannot be read"));
}

fn problems_of(path: &Path) -> String {
    let sources = Sources { file: Some(path), ..Sources::default() };
    load(&sources).unwrap_err().to_string()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn row_40_hostile_names_are_refused_before_anybody_is_asked() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let (before, versions) = (backend.asked(), asked_versions(&backend));
    let long = "a".repeat(7000);
    let hostile = [
        "..",
        ".",
        "%2e%2e",
        "%2E",
        "%252e%252e",
        "..%2f",
        "%2F..",
        "a%2F..%2Fb",
        "%2f%2f",
        "a%2fb",
        "a%252fb",
        "a%5Cb",
        "a\\b",
        "%5c..%5c",
        "a%00",
        "%00",
        "a%0d%0aX-Evil:1",
        "a%0a",
        "a%09b",
        "a%20b",
        "a;b",
        "a%3Bb",
        ";",
        "-rf",
        "--help",
        "_a",
        "%7e",
        "~root",
        "a%7Fb",
        "a%3Ab",
        "a:b",
        "a@b",
        "a%40b",
        "a%3Fb",
        "a%23b",
        "a*",
        "a%2A",
        "%E2%80%AEswa",
        "%C0%AE%C0%AE",
        "%ff",
        "%EF%BC%8E%EF%BC%8E",
        "a%CC%81",
        "%C3%A9",
        "%D0%B0ws",
        "a'b",
        "a%22b",
        "a%3Cscript%3E",
        "$(id)",
        "%24%7Bx%7D",
        "{type}",
        "a|b",
        "a`b",
        "%",
        "%2",
        "%zz",
        &long,
    ];
    for name in hostile {
        // A version, unlike a name, may hold a slash.
        let version = if name == "a%2fb" { ".." } else { name };
        for path in [
            format!("/api/v1/extensions/provider/{name}"),
            format!("/api/v1/extensions/provider/{name}/versions"),
            format!("/api/v1/extensions/provider/{name}/1.0.0"),
            format!("/api/v1/extensions/provider/{name}/readme"),
            format!("/api/v1/extensions/provider/aws/{version}"),
            format!("/api/v1/extensions/provider/aws/{version}/metadata"),
            format!("/api/v1/extensions/provider/aws/latest?tag={version}"),
            format!("/api/v1/extensions/{name}/aws"),
        ] {
            let answer = raw(&served, &get(&path)).await;
            let status = answer.get(..12).unwrap_or_default();
            let known = ["HTTP/1.1 400", "HTTP/1.1 404"].contains(&status);
            assert!(known, "{path}: {answer}");
            let names_evil = answer.lines().any(|line| line.starts_with("X-Evil"));
            assert!(!names_evil, "{path}: {answer}");
        }
    }
    lives_at_once(&served, "hostile names");
    for path in [
        "//api/v1/extensions",
        "/api/v1//extensions",
        "/api/v1/../v1/extensions",
        "/api/v1/extensions//",
        "*",
        "/api/v1/extensions/provider//versions",
    ] {
        let answer = raw(&served, &get(path)).await;
        let status = answer.get(..12).unwrap_or_default();
        assert!(["HTTP/1.1 400", "HTTP/1.1 404"].contains(&status), "{path}: {answer}");
    }
    assert_eq!((backend.asked(), asked_versions(&backend)), (before, versions));
}

fn asked_versions(backend: &Scripted) -> usize {
    backend.versions.load(std::sync::atomic::Ordering::SeqCst)
}

#[tokio::test]
async fn row_41_hostile_file_names_become_safe_ones_in_headers() {
    let dir = tempfile::tempdir().unwrap();
    let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
    let hostile = [
        "../../../etc/passwd.tar.gz",
        "a\"; filename=\"evil.exe.tar.gz",
        "a\r\nX-Evil: 1.tar.gz",
        "\u{202e}gpj.tar.gz",
        "ünïcödé.tar.gz",
        "-rf.tar.gz",
        "..\\..\\boot.tar.gz",
        "CON.tar.gz",
    ];
    for (number, title) in hostile.into_iter().enumerate() {
        let id = id(&format!("provider/p{number}"));
        let described = ("org.opencontainers.image.description", "d");
        publish_with(dir.path(), &id, "1.0.0", described, &[(kind, title, b"archive")]);
    }
    let served = Served::local(dir.path()).await;
    for (number, title) in hostile.into_iter().enumerate() {
        let got = served.get(&format!("/extensions/provider/p{number}/1.0.0")).await;
        assert_eq!((got.status, got.body.as_slice()), (StatusCode::OK, &b"archive"[..]), "{title}");
        let name = got.header("content-disposition").to_owned();
        let inside = name.strip_prefix("attachment; filename=\"").unwrap();
        let inside = inside.strip_suffix('"').unwrap();
        let safe = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        assert!(inside.chars().all(safe) && !inside.starts_with(['.', '-']), "{title:?}: {name}");
        assert!(got.headers.get("x-evil").is_none(), "{title:?}");
    }
}

#[tokio::test]
async fn row_46_long_and_large_questions_are_refused_or_answered_never_a_burden() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let before = backend.asked();
    let header = |count: usize, size: usize| -> String {
        (0..count).map(|n| format!("X-{n}: {}\r\n", "v".repeat(size))).collect()
    };
    let long = |bytes: usize| format!("/api/v1/extensions/search?q={}", "a".repeat(bytes));
    for (path, headers, status, error) in [
        (long(10 * 1024), String::new(), "414", "uri_too_long"),
        (long(20 * 1024), String::new(), "414", "uri_too_long"),
        (LIVE.to_owned(), header(65, 1), "431", "headers_too_large"),
        (LIVE.to_owned(), header(2, 10 * 1024), "431", "headers_too_large"),
        (long(300), String::new(), "400", "bad_request"),
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        let answer = raw(&served, &request).await;
        let shown = answer.get(..300.min(answer.len())).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {shown}");
        assert!(answer.contains(&format!("{{\"error\":\"{error}\"")), "{status}: {shown}");
    }
    // Beyond what is read at all the refusal comes from the protocol, without our body.
    for size in [60, 200] {
        let endless = format!("GET /{} HTTP/1.1\r\n", "a".repeat(size * 1024));
        let answer = raw(&served, &endless).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{size}: {answer}");
    }
    for path in ["/extensions?offset=1000000000", "/extensions/search?q=a&offset=1000000000"] {
        assert_eq!(served.get(path).await.text(), "[]", "{path}");
    }
    lives_at_once(&served, "long and large questions");
    let greedy = format!("/extensions/search?q={}", "(a%2B)%2B".repeat(20));
    assert_eq!(served.get(&greedy).await.text(), "[]", "words are no patterns");
    assert_eq!(backend.asked(), Asked { ..before });
}
