//! A registry that turns hostile.

use registry_core::models::digest::Digest;
use registry_testing::scripted_registry::{Reply, Seen, Sending};

use super::{Upstream, holds, long, nonsense};

/// The longest page or manifest that is read, and a little less.
const PAGE: usize = 4 * 1024 * 1024 - 64 * 1024;

const OCI: Upstream = Upstream {
    section: |url| {
        format!("[oci]\nregistry = \"{url}\"\nnamespace = \"team\"\ntimeout_seconds = 5\n")
    },
    honest,
    round: "/v2/_catalog?n=100",
};

const LAYER: &str = r#"{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":1,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn honest(seen: &Seen) -> Reply {
    let path = seen.path();
    if path == "/v2/" {
        return Reply::json("{}");
    }
    if path == "/v2/_catalog" {
        let names: Vec<String> = (0..10).map(|n| format!("\"team/n{n}-provider\"")).collect();
        return Reply::json(format!("{{\"repositories\":[{}]}}", names.join(",")));
    }
    if path.ends_with("/tags/list") && !path.contains("unknown") {
        return Reply::json(r#"{"tags":["1.0.0"]}"#);
    }
    if path.contains("/manifests/") && !path.ends_with("9.9.9") {
        return manifest(format!("{{\"layers\":[{LAYER}]}}"));
    }
    Reply::new(404)
}

fn manifest(text: impl Into<bytes::Bytes>) -> Reply {
    let text = text.into();
    let digest = Digest::sha256(&text).to_string();
    let reply = Reply::new(200).header("content-type", MANIFEST);
    reply.header("docker-content-digest", digest).bytes(text)
}

fn is_manifest(seen: &Seen) -> bool {
    seen.path().contains("/manifests/")
}

/// One of the ten has a long list: it is read to its bound, in every round.
fn is_tags(seen: &Seen) -> bool {
    seen.path().ends_with("/n1-provider/tags/list")
}

/// A number that grows with each page.
fn page_of(seen: &Seen) -> usize {
    seen.query("last").and_then(|last| last.parse().ok()).unwrap_or(0)
}

fn next(seen: &Seen, reply: Reply) -> Reply {
    let link = format!("<{}?last={}>; rel=\"next\"", seen.path(), page_of(seen) + 1);
    reply.header("link", link)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end() {
    holds("oci, answers without end", &OCI, |_| Some(Reply::json("").sending(Sending::Endless)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_of_the_smallest_names() {
    holds("oci, a catalog of the smallest names", &OCI, |seen| {
        let names =
            || long("{\"repositories\":[", "]}", PAGE, page_of(seen), |_| "\"\"".to_owned());
        (seen.path() == "/v2/_catalog").then(|| next(seen, Reply::json(names())))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_of_others_without_end() {
    holds("oci, a catalog of others' names without end", &OCI, |seen| {
        let name = |number| format!("\"{number:x}\"");
        let names = || long("{\"repositories\":[", "]}", PAGE, page_of(seen), name);
        (seen.path() == "/v2/_catalog").then(|| next(seen, Reply::json(names())))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_in_long_pages_without_end() {
    holds("oci, tags in long pages without end", &OCI, |seen| {
        let tag = |number| format!("\"{number}.0\"");
        let tags = || long("{\"tags\":[", "]}", PAGE, page_of(seen), tag);
        is_tags(seen).then(|| next(seen, Reply::json(tags())))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_in_short_pages_without_end() {
    holds("oci, tags in short pages without end", &OCI, |seen| {
        let from = page_of(seen) * 100;
        let tags: Vec<String> =
            (from..from + 100).map(|number| format!("\"{number}.0\"")).collect();
        let page = || format!("{{\"tags\":[{}]}}", tags.join(","));
        is_tags(seen).then(|| next(seen, Reply::json(page())))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_of_countless_empty_layers() {
    holds("oci, manifests of countless empty layers", &OCI, |seen| {
        is_manifest(seen)
            .then(|| manifest(long("{\"layers\":[", "]}", PAGE, 0, |_| "{}".to_owned())))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_of_countless_layers() {
    holds("oci, manifests of countless layers", &OCI, |seen| {
        is_manifest(seen)
            .then(|| manifest(long("{\"layers\":[", "]}", PAGE, 0, |_| LAYER.to_owned())))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_of_countless_annotations() {
    holds("oci, manifests of countless annotations", &OCI, |seen| {
        let pair = |number| format!("\"{number:x}\":\"\"");
        is_manifest(seen).then(|| {
            let before = format!("{{\"layers\":[{LAYER}],\"annotations\":{{");
            manifest(long(&before, "}}", PAGE, 0, pair))
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_of_one_long_text() {
    holds("oci, manifests of one long text", &OCI, |seen| {
        is_manifest(seen).then(|| {
            let text = "x".repeat(PAGE);
            manifest(format!(
                "{{\"layers\":[{LAYER}],\"annotations\":{{\"org.opencontainers.image.title\":\"{text}{}\"}}}}",
                seen.target
            ))
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_of_countless_children() {
    holds("oci, indexes of countless children", &OCI, |seen| {
        is_manifest(seen)
            .then(|| manifest(long("{\"manifests\":[", "]}", PAGE, 0, |_| "{}".to_owned())))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_of_a_page() {
    holds("oci, deep, cut and long nonsense", &OCI, |seen| Some(nonsense(seen, PAGE))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_as_long_as_a_head_may_be() {
    holds("oci, challenges as long as a head may be", &OCI, |seen| {
        if seen.path() == "/token" {
            return Some(Reply::json(format!("{{\"token\":\"{}\"}}", "t".repeat(60 * 1024))));
        }
        if seen.header("authorization").is_some() {
            return None;
        }
        let host = seen.header("host").unwrap();
        let scope = format!("{}{}", seen.path(), "s".repeat(300 * 1024));
        let challenge =
            format!("Bearer realm=\"http://{host}/token\",service=\"x\",scope=\"{scope}\"");
        Some(Reply::new(401).header("www-authenticate", challenge))
    })
    .await;
}
