//! Answers that are lost, and requests that fail: the release is whole, or nothing of it is there.

use registry_testing::fake_gitea::Fault;

use crate::client::gitea::Author;

/// The requests of a run that change something, without the numbers of releases and files.
fn writes(author: &Author, more: &[&str]) -> Vec<String> {
    author.fake.take_seen();
    author.publishes(more);
    author.writes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_write_does_no_harm() {
    let author = Author::new().await;
    let count = writes(&author, &[]).len();
    assert_eq!(count, 6, "a draft, four files, and one to publish");
    for write in 0..count {
        author.fake.edit(|state| state.repository_mut("aws_prov").releases.clear());
        let lost = nth_write(&author, &[], write);
        author.fake.fault_times(&lost, Fault::Cut(0), 1);
        let ran = author.publish(&[]);
        author.fake.heal();
        assert_eq!(ran.code, 0, "{lost}: {}", ran.stderr);
        author.whole();
    }
}

/// The write of this number in a run. Numbers of releases go up, so the text has none.
fn nth_write(author: &Author, more: &[&str], write: usize) -> String {
    let writes = writes(author, more);
    author.fake.edit(|state| state.repository_mut("aws_prov").releases.clear());
    let line = writes[write].clone();
    match line.split_once("assets?") {
        Some((_, name)) => format!("assets?{name}"),
        None if line.starts_with("POST") => {
            "POST /api/v1/repos/provisioning-extensions/aws_prov/releases".to_owned()
        }
        None => line.split('/').next().unwrap().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_leaves_nothing_and_publishing_again_works() {
    let author = Author::new().await;
    let count = writes(&author, &[]).len();
    for write in 0..count {
        for status in [400, 403, 404, 413, 422, 500, 503] {
            author.fake.edit(|state| state.repository_mut("aws_prov").releases.clear());
            let failing = nth_write(&author, &[], write);
            let json = vec![("Content-Type", "application/json;charset=utf-8".to_owned())];
            let body = br#"{"message":"no"}"#.to_vec();
            author.fake.fault(&failing, Fault::Answer(status, json, body));
            let ran = author.publish(&[]);
            author.fake.heal();
            assert!(ran.code > 0, "{failing} {status}: {}", ran.stderr);
            assert!(author.releases().is_empty(), "{failing} {status}: {}", ran.stderr);
        }
        author.publishes(&[]);
        author.whole();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_replacement_brings_the_former_release_back() {
    let author = Author::new().await;
    author.publishes(&[]);
    let former = author.whole();
    author.write_extension("2");
    for file in ["aws_prov.tar.gz", "aws_prov.tar.gz.sha256", "README.md"] {
        let json = vec![("Content-Type", "application/json;charset=utf-8".to_owned())];
        let fault = Fault::Answer(500, json, br#"{"message":"no"}"#.to_vec());
        author.fake.fault(&format!("assets?name={file}"), fault);
        author.fails(&["--replace"], 1, "has the former 1.2.0 again");
        author.fake.heal();
        assert!(author.whole() == former);
    }
    author.publishes(&["--replace"]);
    assert!(author.whole() != former);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_fails_is_told_and_the_next_run_begins_anew() {
    let author = Author::new().await;
    let json = vec![("Content-Type", "application/json;charset=utf-8".to_owned())];
    let no = || Fault::Answer(500, json.clone(), br#"{"message":"no"}"#.to_vec());
    author.fake.fault("PATCH ", no());
    author.fake.fault("DELETE ", no());
    author.fails(&[], 1, "which only writers see, is left");
    author.fake.heal();
    assert_eq!(author.releases()[0]["draft"], true);
    author.publishes(&[]);
    author.whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_changes_while_it_is_uploaded_is_not_published() {
    let author = Author::new().await;
    author.user.succeeds(&["pack", "aws", "-o", "aws.tar.gz"]);
    let path = author.user.project().join("aws.tar.gz");
    author.fake.edit_before("assets?name=README.md", move |_| {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    });
    let target = author.target();
    let ran = author.user.run(&["publish", "aws.tar.gz", "--to", &target, "--token-file", "token"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stderr.contains("changed while it was uploaded"), "{}", ran.stderr);
    assert!(author.releases().is_empty());
}
