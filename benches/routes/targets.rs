//! The routes that are measured: targets, one request header, and the responses of the program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use reqwest::header::HeaderMap;

use crate::catalog::{EXTENSIONS, rare_word, tags_after};
use crate::program::Program;

/// Header name and value.
pub(crate) type Header = (&'static str, String);

/// One route.
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) targets: Vec<String>,
    pub(crate) header: Option<Header>,
}

/// A response as it was received.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The routes, each with its targets.
pub(crate) fn routes(program: &Program) -> Vec<Route> {
    let metadata = "/api/v1/extensions/provider/extension-0500";
    let hundred = "/api/v1/extensions?limit=100";
    let search = |number| format!("/api/v1/extensions/search?q={}", rare_word(number));
    let etag = fetch(program, metadata, None).headers["etag"].to_str().unwrap().to_owned();
    let one = |target: &str| vec![target.to_owned()];
    let plain = |name, targets| Route { name, targets, header: None };
    vec![
        plain("metadata", one(metadata)),
        plain("versions", one(&format!("{metadata}/versions"))),
        plain("list of 10", one("/api/v1/extensions?limit=10")),
        plain("list of 100", one(hundred)),
        plain("1,000 searches", (0..EXTENSIONS).map(search).collect()),
        Route { name: "304", targets: one(metadata), header: Some(("if-none-match", etag)) },
        Route {
            name: "compressed list",
            targets: one(hundred),
            header: Some(("accept-encoding", "gzip".to_owned())),
        },
        plain("OCI ping", one("/v2/")),
        plain("OCI manifest", one("/v2/extensions/extension-0500-provider/manifests/1.0.0")),
        plain("OCI tags", one(&tags_after(""))),
    ]
}

impl Route {
    /// Writes the targets into a file of this directory, one a line.
    pub(crate) fn write(&self, dir: &Path, name: &str) -> PathBuf {
        write_lines(dir, name, &self.targets)
    }

    /// The responses of the program to each target.
    pub(crate) fn responses(&self, program: &Program) -> Vec<Received> {
        let received = self.targets.iter().map(|target| fetch(program, target, self.header()));
        received.collect()
    }

    pub(crate) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }
}

/// Writes these lines into a file of this directory.
pub(crate) fn write_lines(dir: &Path, name: &str, lines: &[String]) -> PathBuf {
    let path = dir.join(name);
    let text = lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    });
    std::fs::write(&path, text).unwrap();
    path
}

fn fetch(program: &Program, target: &str, header: Option<&Header>) -> Received {
    block_on(get(&format!("http://{}{target}", program.address), header))
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

/// Sends one request.
pub(crate) async fn get(url: &str, header: Option<&Header>) -> Received {
    let client = registry_testing::http::client_builder().build().unwrap();
    let mut request = client.get(url);
    if let Some((name, value)) = header {
        request = request.header(*name, value);
    }
    let mut response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    Received { status, headers, body: response.bytes().await.unwrap() }
}
