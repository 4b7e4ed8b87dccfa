//! A Gitea that turns hostile.

use registry_testing::scripted_registry::{Reply, Seen, Sending};

use super::{Upstream, holds, long, nonsense};

/// The longest page that is read, and a little less.
const PAGE: usize = 8 * 1024 * 1024 - 64 * 1024;

const GITEA: Upstream = Upstream {
    section: |url| {
        format!("[gitea]\nurl = \"{url}\"\norganization = \"team\"\ntimeout_seconds = 5\n")
    },
    honest,
    round: "/orgs/team/repos?page=1&limit=50",
};

fn honest(seen: &Seen) -> Reply {
    let path = seen.path();
    if path.ends_with("/settings/api") {
        return Reply::json(r#"{"max_response_items":50}"#);
    }
    if path.ends_with("/feeds") {
        return Reply::json("[]").header("x-total-count", "0");
    }
    if path == "/api/v1/orgs/team/repos" {
        let rows: Vec<String> = (0..10).map(repository).collect();
        return Reply::json(format!("[{}]", rows.join(","))).header("x-total-count", "10");
    }
    if path.ends_with("/releases") {
        return Reply::json(format!("[{}]", release(1))).header("x-total-count", "1");
    }
    if path.ends_with("/releases/tags/1.0.0") {
        return Reply::json(release(1));
    }
    if let Some(name) = path.strip_prefix("/api/v1/repos/team/n")
        && let Some(number) = name.strip_suffix("_prov").and_then(|n| n.parse().ok())
    {
        return Reply::json(repository(number));
    }
    Reply::new(404).header("content-type", "application/json").bytes(r#"{"message":"no"}"#)
}

fn repository(number: usize) -> String {
    format!(r#"{{"id":{number},"name":"n{number}_prov","owner":{{"id":1,"login":"team"}}}}"#)
}

fn release(number: usize) -> String {
    format!(
        r#"{{"id":{number},"tag_name":"{number}.0.0","assets":[{{"uuid":"u{number}","name":"a.tar.gz","size":1}}]}}"#
    )
}

fn page_of(seen: &Seen) -> usize {
    seen.query("page").and_then(|page| page.parse().ok()).unwrap_or(1)
}

fn is_releases(seen: &Seen) -> bool {
    seen.path().ends_with("/releases")
}

/// One of the ten has a list without end: it is read to its bound in every round, and kept to there.
fn is_long(seen: &Seen) -> bool {
    seen.path().ends_with("/n1_prov/releases")
}

fn next(reply: Reply) -> Reply {
    reply.header("link", r#"<http://x/?page=2>; rel="next""#)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end() {
    holds("gitea, answers without end", &GITEA, |_| {
        let json = Reply::json("");
        Some(json.sending(Sending::Endless))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_smallest_rows() {
    holds("gitea, releases in pages of the smallest rows, without end", &GITEA, |seen| {
        let row = |number| format!(r#"{{"id":{number},"tag_name":"1"}}"#);
        is_releases(seen).then(|| next(Reply::json(long("[", "]", PAGE, page_of(seen), row))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_many_releases() {
    holds("gitea, releases without end, each with an archive", &GITEA, |seen| {
        let row = |number| {
            format!(
                r#"{{"id":{number},"tag_name":"{number}.0.0","assets":[{{"uuid":"u","name":"a.tar.gz"}}]}}"#
            )
        };
        is_releases(seen)
            .then(|| next(Reply::json(long("[", "]", PAGE, page_of(seen), row))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_pages_without_end() {
    holds("gitea, short pages of releases without end", &GITEA, |seen| {
        let from = page_of(seen) * 50;
        let rows: Vec<String> = (from..from + 50).map(release).collect();
        is_long(seen).then(|| next(Reply::json(format!("[{}]", rows.join(",")))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_a_million_files() {
    holds("gitea, a release of countless files", &GITEA, |seen| {
        let before = r#"[{"id":1,"tag_name":"1.0.0","assets":["#;
        is_releases(seen).then(|| {
            Reply::json(long(before, "]}]", PAGE, 0, |_| r#"{"uuid":"","name":"a"}"#.to_owned()))
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_release_of_a_million_files() {
    holds("gitea, a release asked for, of countless files", &GITEA, |seen| {
        let before = r#"{"id":1,"tag_name":"1.0.0","assets":["#;
        seen.path().contains("/releases/tags/").then(|| {
            Reply::json(long(before, "]}", PAGE, 0, |_| r#"{"uuid":"","name":"a"}"#.to_owned()))
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_of_countless_topics() {
    holds("gitea, repositories of countless topics", &GITEA, |seen| {
        let empty = |_| r#""""#.to_owned();
        let list = seen.path().ends_with("/repos");
        let one = seen.path().starts_with("/api/v1/repos/") && !is_releases(seen);
        let before = r#"{"id":3,"name":"n3_prov","owner":{"id":1,"login":"team"},"topics":["#;
        match (list, one) {
            (true, _) => Some(Reply::json(long(&format!("[{before}"), "]}]", PAGE, 0, empty))),
            (_, true) => Some(Reply::json(long(before, "]}", PAGE, 0, empty))),
            _ => None,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts() {
    holds("gitea, texts as long as a page", &GITEA, |seen| {
        let row = |number| {
            let text = "x".repeat(PAGE);
            format!(r#"{{"id":{number},"tag_name":"1.0.0","body":"{text}"}}"#)
        };
        is_long(seen).then(|| next(Reply::json(long("[", "]", 1, page_of(seen), row))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_countless_entries() {
    holds("gitea, a feed of countless entries", &GITEA, |seen| {
        let row = |number| {
            format!(
                r#"{{"id":{number},"created":"2026-01-01T00:00:00Z","repo":{{"name":"n1_prov"}}}}"#
            )
        };
        seen.path()
            .ends_with("/feeds")
            .then(|| next(Reply::json(long("[", "]", PAGE, page_of(seen), row))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_of_a_page() {
    holds("gitea, deep, cut and long nonsense", &GITEA, |seen| Some(nonsense(seen, PAGE))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_a_page() {
    holds("gitea, refusals as long as a page", &GITEA, |seen| {
        let body = format!("{{\"message\":\"{}\"}}", "x".repeat(PAGE));
        let reply = Reply::new(if seen.target.len() % 2 == 0 { 404 } else { 403 });
        Some(reply.header("content-type", "application/json").bytes(body))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_countless_files() {
    holds("gitea, a folder of countless files", &GITEA, |seen| {
        let path = seen.path();
        if path.contains("/tags/") && !path.contains("/releases/") {
            return Some(Reply::json(r#"{"commit":{"sha":"0123456789"}}"#));
        }
        path.contains("/contents").then(|| {
            Reply::json(long("[", "]", PAGE, 0, |_| r#"{"name":"","type":"","sha":""}"#.to_owned()))
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_in_circles() {
    holds("gitea, redirects in circles", &GITEA, |seen| {
        Some(
            Reply::new(302).header("location", format!("{}&", seen.target)).bytes("x".repeat(PAGE)),
        )
    })
    .await;
}
