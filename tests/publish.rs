//! docs/publish.md as an author follows it: its commands are run, and the service shows what it says.

use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{Publisher, State};
use registry_testing::tools::{installed_by_us, is_installed};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::program::Running;

const DOCUMENT: &str = include_str!("../docs/publish.md");
/// The sections whose blocks are run, each by one of the tests here.
const SECTIONS: [&str; 5] = [
    "What belongs in an archive",
    "Gitea or Forgejo",
    "An OCI registry",
    "A directory",
    "Why is it not shown?",
];
/// What scripts/test calls oras.
const ORAS: &str = "oras-1.3.6";
const PROGRAM: &str = env!("CARGO_BIN_EXE_extension-registry");

/// A fenced block: the word behind its fence, and its text.
struct Block {
    kind: &'static str,
    text: &'static str,
}

fn blocks(text: &'static str) -> Vec<Block> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced
        .map(|block| {
            let (kind, text) = block.split_once('\n').unwrap();
            Block { kind, text }
        })
        .collect()
}

fn section(title: &str) -> Vec<Block> {
    let begin = format!("\n## {title}\n");
    let (_, rest) = DOCUMENT.split_once(&begin).unwrap();
    blocks(rest.split("\n## ").next().unwrap())
}

/// An author's machine: a directory, and the hosts of the document where they are here.
struct Author {
    dir: TempDir,
    hosts: HashMap<&'static str, String>,
}

impl Author {
    fn new(hosts: &[(&'static str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["bin", ".config/containers", "work"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        symlink(PROGRAM, at("bin/extension-registry")).unwrap();
        symlink(installed_by_us(ORAS), at("bin/oras")).unwrap();
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        std::fs::write(at(".config/containers/policy.json"), policy).unwrap();
        let registries: String = hosts
            .iter()
            .map(|(_, host)| format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"))
            .collect();
        std::fs::write(at(".config/containers/registries.conf"), registries).unwrap();
        Self { dir, hosts: hosts.iter().cloned().collect() }
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn here(&self, text: &str) -> String {
        self.hosts.iter().fold(text.to_owned(), |text, (host, here)| text.replace(host, here))
    }

    /// Runs a script to its end; what it wrote to standard output.
    async fn run(&self, script: &str) -> String {
        let path = format!("{}:/usr/bin:/bin", self.dir.path().join("bin").display());
        let output = Command::new("/bin/bash")
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.work())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.dir.path())
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Follows a section: runs its commands, configures the service as it says, and compares what its
    /// consoles show.
    async fn follow(&self, title: &str) {
        let mut script = String::new();
        for Block { kind, text } in section(title) {
            match kind {
                "toml" => {
                    let registry = "registry = \"registry.example.com\"";
                    let text = text.replace(registry, "registry = \"http://registry.example.com\"");
                    std::fs::write(self.work().join("config.toml"), self.here(&text)).unwrap();
                }
                "sh" => script.push_str(text),
                "console" => {
                    self.run(&self.here(&std::mem::take(&mut script))).await;
                    self.shows(text).await;
                }
                other => panic!("{other}"),
            }
        }
        self.run(&self.here(&script)).await;
    }

    /// Runs the commands of a console against a service that has just read its backend.
    async fn shows(&self, console: &str) {
        let running = Running::start(&self.work(), &[]);
        has_read(&running).await;
        let service = format!("http://{}", running.address);
        for (command, expected) in commands(console) {
            let command = self.here(command).replace("http://127.0.0.1:8082", &service);
            assert_eq!(self.run(&command).await, expected, "{command}");
        }
    }
}

/// Waits for the first round.
async fn has_read(running: &Running) {
    loop {
        let health = running.get("/health").await.json();
        let backends = health["backends"].as_object().unwrap();
        if backends.values().any(|backend| !backend["age"].is_null()) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// The commands of a console, each with what it writes.
fn commands(console: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in console.split_inclusive('\n') {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push((command.trim_end(), String::new())),
            (None, Some((_, expected))) => expected.push_str(line),
            (None, None) => panic!("{line}"),
        }
    }
    found
}

fn is_missing(programs: &[&str]) -> bool {
    let installed = programs.iter().all(|program| is_installed(Path::new(program)));
    !installed || !is_installed(installed_by_us(ORAS))
}

#[test]
fn every_block_of_the_document_is_run() {
    let run: usize = SECTIONS.iter().map(|title| section(title).len()).sum();
    assert_eq!(run, blocks(DOCUMENT).len());
}

#[tokio::test]
async fn a_release_in_gitea_is_made_and_shown() {
    if is_missing(&["/usr/bin/curl", "/usr/bin/jq"]) {
        return;
    }
    let fake = FakeGitea::start(State::empty()).await;
    let token: String = fake.token("publisher");
    fake.edit(|state| {
        state.publisher = Some(Publisher::new("platform", &token));
    });
    let url = fake.url().as_str().trim_end_matches('/').to_owned();
    let author = Author::new(&[("https://git.example.com", url)]);
    std::fs::write(author.work().join("gitea-token"), format!("{token}\n")).unwrap();
    author.follow("What belongs in an archive").await;
    author.follow("Gitea or Forgejo").await;
}

#[tokio::test]
async fn a_release_in_a_registry_is_made_and_shown() {
    if is_missing(&["/usr/bin/curl", "/usr/bin/jq", "/usr/bin/skopeo"]) {
        return;
    }
    let Some(registry) = DockerRegistry::start(Access::Open).await else { return };
    // oras speaks plain HTTP to this name alone, unless told otherwise.
    let host = registry.authority().replace("127.0.0.1", "localhost");
    let author = Author::new(&[("registry.example.com", host)]);
    author.follow("What belongs in an archive").await;
    author.follow("An OCI registry").await;
}

#[tokio::test]
async fn a_release_in_a_directory_is_made_and_shown_and_what_is_not_shown_has_a_reason() {
    if is_missing(&["/usr/bin/curl", "/usr/bin/jq", "/usr/bin/skopeo", "/usr/bin/umoci"]) {
        return;
    }
    let author = Author::new(&[]);
    author.follow("What belongs in an archive").await;
    author.follow("A directory").await;
    author.follow("Why is it not shown?").await;
}
