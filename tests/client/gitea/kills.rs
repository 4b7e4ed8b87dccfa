//! Kills at every request: nothing or the whole release is seen, and publishing again works.

use std::process::Output;

use registry_testing::fake_gitea::Fault;

use crate::client::gitea::Author;

/// Publishes to a server that does the request of this number, and never answers it. Kills the
/// publisher then.
fn kill_at(author: &Author, request: usize, more: &[&str]) {
    author.fake.hang_from(request);
    let mut publisher = author.spawn(more);
    while !author.fake.is_hanging() {
        std::thread::yield_now();
    }
    publisher.kill().unwrap();
    publisher.wait().unwrap();
    author.fake.heal();
}

/// Counts the requests of a run that succeeds.
fn counted(author: &Author, more: &[&str]) -> usize {
    author.fake.take_seen();
    author.publishes(more);
    author.fake.take_seen().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_killed_anywhere_leaves_nothing_half_and_the_next_one_ends_well() {
    let author = Author::new().await;
    let requests = counted(&author, &[]);
    assert!(requests >= 10, "{requests} are less than a release needs");
    for request in 0..requests {
        author.fake.edit(|state| state.repository_mut("aws_prov").releases.clear());
        author.fake.take_seen();
        kill_at(&author, request, &[]);
        author.assert_nothing_half();
        author.publishes(&[]);
        author.whole();
    }
    println!("killed at each of {requests} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacing_publisher_that_is_killed_anywhere_leaves_nothing_half() {
    let author = Author::new().await;
    author.publishes(&[]);
    author.write_extension("2");
    let requests = counted(&author, &["--replace"]);
    for request in 0..requests {
        author.fake.edit(|state| state.repository_mut("aws_prov").releases.clear());
        author.write_extension("1");
        author.publishes(&[]);
        let former = author.whole();
        author.write_extension("2");
        author.fake.take_seen();
        kill_at(&author, request, &["--replace"]);
        author.assert_nothing_half();
        author.publishes(&["--replace"]);
        assert!(author.whole() != former);
    }
    println!("killed at each of {requests} requests");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_removes_what_was_made() {
    for holding in ["POST /api/v1/repos/provisioning-extensions/aws_prov/releases/", "PATCH "] {
        let author = Author::new().await;
        author.fake.fault_times(holding, Fault::Stall(0), 1);
        let publisher = author.spawn(&[]);
        let method = holding.split(' ').next().unwrap();
        while !author.fake.has_seen(holding) {
            std::thread::yield_now();
        }
        let signal =
            std::process::Command::new("kill").args(["-INT", &publisher.id().to_string()]).status();
        assert!(signal.unwrap().success());
        let Output { status, stderr, .. } = publisher.wait_with_output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        if method == "POST" {
            assert_eq!(status.code(), Some(130), "{stderr}");
            assert!(author.releases().is_empty(), "{stderr}");
            assert!(stderr.contains("nothing of 1.2.0 is left"), "{stderr}");
        } else {
            author.assert_nothing_half();
        }
        author.publishes(&[]);
        author.whole();
    }
}
