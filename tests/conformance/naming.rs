//! What nearly fits the naming is told, and nothing else changes by it. Run over every backend that
//! has repositories of any name.

use std::time::Duration;

use async_trait::async_trait;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use serde_json::Value;

use super::Stage;
use crate::support::program::run;
use crate::support::served::Served;

/// A stage whose repositories can have any name.
#[async_trait]
pub trait Nameable: Stage {
    /// Makes a repository of this name with a release.
    async fn create_named(&self, name: &str);
    /// Removes it.
    async fn remove_named(&self, name: &str);
    /// The name of the repository of `provider/{name}` here.
    fn right(&self, name: &str) -> String;
    /// A name whose ending is another backend's.
    fn wrong(&self, name: &str) -> String;
    /// The backend's section of a configuration.
    fn section(&self) -> String;
}

/// Every behavior once more by name; `advises!` makes a test of each for a backend.
macro_rules! advises {
    ($backend:ident, $stage:expr) => {
        mod $backend {
            $crate::conformance::naming::each_test!($stage;
                a_near_miss_is_told_and_changes_nothing_else
                a_near_miss_of_a_name_that_is_served_says_so
                a_renamed_repository_is_served_and_no_fault
                of_many_near_misses_the_first_are_named
                other_repositories_are_no_faults
                the_doctor_shows_near_misses
            );
        }
    };
}

macro_rules! each_test {
    ($stage:expr; $($behavior:ident)+) => {
        $(
            #[tokio::test]
            async fn $behavior() {
                let stage = $stage;
                $crate::conformance::naming::$behavior(&stage).await;
            }
        )+

        #[test]
        fn no_behavior_is_left_out() {
            let count = [$(stringify!($behavior)),+].len();
            let written = include_str!("naming.rs").matches("\npub async fn ").count();
            assert_eq!(count, written, "behaviors listed, and written");
        }
    };
}

pub(crate) use {advises, each_test};

async fn served(stage: &impl Nameable) -> Served {
    let served = Served::over(vec![stage.backend()]).await;
    round(&served).await;
    served
}

async fn round(served: &Served) {
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served.catalog.store.published().await;
}

/// Names and reasons of the faults of names, as `/health` shows them.
async fn advice(stage: &impl Nameable, served: &Served) -> Vec<(String, String)> {
    let health = served.get("/health").await.json();
    assert_eq!(health["status"], "healthy", "{health}");
    let faults = health["backends"][stage.backend().id().as_str()]["faults"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let fault = |fault: &Value| {
        assert_eq!(fault["subject"], "naming", "{fault}");
        (text(&fault["repository"]), text(&fault["reason"]))
    };
    faults.as_array().unwrap().iter().map(fault).collect()
}

pub async fn a_near_miss_is_told_and_changes_nothing_else(stage: &impl Nameable) {
    stage.publish(&id("provider/hcloud"), "1.0.0", "described", b"bytes").await;
    stage.create_named(&stage.wrong("aws")).await;
    let served = served(stage).await;
    let told = advice(stage, &served).await;
    let [(repository, reason)] = told.as_slice() else { panic!("{told:?}") };
    assert!(repository.ends_with(&stage.wrong("aws")), "{repository}");
    let expected = format!("looks like provider/aws; rename it to {}", stage.right("aws"));
    assert!(reason.ends_with(&expected), "{reason}");
    let list = served.get("/extensions").await;
    assert_eq!(list.column("name"), ["hcloud"]);
    assert_eq!(list.header("extension-registry-degraded"), "");
    assert_eq!(served.get("/extensions/provider/aws").await.status, 404);
    assert_eq!(served.get("/health/ready").await.status, 200);
}

pub async fn a_near_miss_of_a_name_that_is_served_says_so(stage: &impl Nameable) {
    stage.publish(&id("provider/aws"), "1.0.0", "described", b"bytes").await;
    stage.create_named(&stage.wrong("aws")).await;
    let served = served(stage).await;
    let told = advice(stage, &served).await;
    let expected = format!("{} is already served under that name", stage.right("aws"));
    assert!(told.len() == 1 && told[0].1.contains(&expected), "{told:?}");
    assert_eq!(served.get("/extensions/provider/aws/1.0.0").await.text(), "bytes");
}

pub async fn a_renamed_repository_is_served_and_no_fault(stage: &impl Nameable) {
    stage.publish(&id("provider/hcloud"), "1.0.0", "described", b"bytes").await;
    stage.create_named(&stage.wrong("aws")).await;
    let served = served(stage).await;
    assert_eq!(advice(stage, &served).await.len(), 1);
    stage.remove_named(&stage.wrong("aws")).await;
    stage.publish(&id("provider/aws"), "1.0.0", "described", b"renamed").await;
    round(&served).await;
    assert_eq!(advice(stage, &served).await, []);
    assert_eq!(served.get("/extensions/provider/aws/1.0.0").await.text(), "renamed");
}

pub async fn of_many_near_misses_the_first_are_named(stage: &impl Nameable) {
    stage.publish(&id("provider/hcloud"), "1.0.0", "described", b"bytes").await;
    for number in (10..40).rev() {
        stage.create_named(&stage.wrong(&format!("n{number}"))).await;
    }
    let served = served(stage).await;
    let told = advice(stage, &served).await;
    assert_eq!(told.len(), 21, "{told:?}");
    assert!(told[0].0.ends_with(&stage.wrong("n10")), "{told:?}");
    assert!(told[19].0.ends_with(&stage.wrong("n29")), "{told:?}");
    assert_eq!(told[20].0, "*");
    assert!(told[20].1.starts_with("10 more"), "{told:?}");
}

pub async fn other_repositories_are_no_faults(stage: &impl Nameable) {
    stage.publish(&id("provider/hcloud"), "1.0.0", "described", b"bytes").await;
    for name in ["docs", "website", "terraform-modules", "my-cluster-tools", "cluster"] {
        stage.create_named(name).await;
    }
    let served = served(stage).await;
    assert_eq!(advice(stage, &served).await, []);
}

pub async fn the_doctor_shows_near_misses(stage: &impl Nameable) {
    stage.publish(&id("provider/hcloud"), "1.0.0", "described", b"bytes").await;
    stage.create_named(&stage.wrong("aws")).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), stage.section()).unwrap();
    let at = dir.path().to_owned();
    let doctor = move || run(&at, &["doctor", "--port", "0"]);
    // The servers of some stages run on this thread.
    let output = tokio::task::spawn_blocking(doctor);
    let output = tokio::time::timeout(Duration::from_mins(1), output).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let source = stage.backend().id();
    let named = format!("{} is not served", stage.wrong("aws"));
    let line = text.lines().find(|line| line.contains(&named)).unwrap_or_else(|| panic!("{text}"));
    assert!(line.starts_with(&format!("note     {source} naming: ")), "{line}");
    assert!(line.ends_with(&format!("rename it to {}", stage.right("aws"))), "{line}");
    assert_eq!(output.status.code(), Some(0), "{text}");
}

/// Names that a server shows and that are near misses of no name, or of one in another case.
const HOSTILE: [&str; 5] =
    ["a\n\u{1b}[31m-prov", "\u{202e}x_prov", "-provider", "a%2Fb-taskserv", "ünï_taskserv"];

/// Checks that names of strangers, a very long one among them, are told on one line each.
pub(super) async fn hostile_names_are_told_on_one_line(stage: &impl Nameable) {
    stage.publish(&id("provider/hcloud"), "1.0.0", "described", b"bytes").await;
    for name in HOSTILE {
        stage.create_named(name).await;
    }
    stage.create_named(&format!("{}_task", "a".repeat(100_000))).await;
    let served = served(stage).await;
    let told = advice(stage, &served).await;
    assert_eq!(told.len(), HOSTILE.len() + 1, "{told:?}");
    for (name, reason) in told {
        assert!(reason.contains("should be called NAME"), "{name}: {reason}");
        assert!(name.chars().count() <= 128 && reason.len() < 200, "{name}: {reason}");
        assert!(!name.contains(['\n', '\u{1b}', '\u{202e}']), "{name:?}");
    }
}
