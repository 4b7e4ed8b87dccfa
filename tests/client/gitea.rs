//! `publish` to Gitea, against the fake that answers as real ones were recorded.

mod bad_targets;
mod kills;
mod lost;
mod races;

use std::fs;
use std::process::Stdio;

use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{Publisher, State};
use serde_json::Value;

use crate::client::rig::{Ran, User};

/// Files of a release with a README.
const FILES: [&str; 4] =
    ["README.md", "aws_prov.tar.gz", "aws_prov.tar.gz.manifest.json", "aws_prov.tar.gz.sha256"];

/// An author with the extension `provider/aws`, and a Gitea with its repository.
struct Author {
    user: User,
    fake: FakeGitea,
}

impl Author {
    async fn new() -> Self {
        let mut state = State::empty();
        state.create("aws_prov", "AWS");
        Self::at(state).await
    }

    async fn at(state: State) -> Self {
        let fake = FakeGitea::start(state).await;
        let token: String = fake.token("publisher");
        fake.edit(|state| state.publisher = Some(Publisher::new("platform", &token)));
        let user = User::of("");
        user.write("token", &format!("{token}\n"));
        let author = Self { user, fake };
        author.write_extension("1");
        author
    }

    /// Writes the extension anew; another `content` makes another archive.
    fn write_extension(&self, content: &str) {
        fs::create_dir_all(self.user.project().join("aws")).unwrap();
        self.user.write(
            "aws/extension.toml",
            "type = \"provider\"\nname = \"aws\"\nversion = \"1.2.0\"\n\
             description = \"Provider\"\nauthors = [\"Zoë\"]\nlicense = \"MIT\"\n\
             keywords = [\"aws\", \"cloud\"]\n",
        );
        self.user.write("aws/README.md", "# AWS\n");
        self.user.write("aws/main.k", content);
    }

    fn target(&self) -> String {
        let url = self.fake.url().to_string();
        let url = url.trim_end_matches('/').replace("http://", "gitea+http://");
        format!("{url}/{}", self.fake.edit(|state| state.organization.clone()))
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let target = self.target();
        let created = "2026-02-11T10:15:00Z";
        let fixed =
            ["publish", "aws", "--to", &target, "--token-file", "token", "--created", created];
        fixed.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    fn publish(&self, more: &[&str]) -> Ran {
        let arguments = self.arguments(more);
        self.user.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn publishes(&self, more: &[&str]) -> Ran {
        let ran = self.publish(more);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran
    }

    fn fails(&self, more: &[&str], code: i32, part: &str) -> Ran {
        let ran = self.publish(more);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
        ran
    }

    fn spawn(&self, more: &[&str]) -> std::process::Child {
        let arguments = self.arguments(more);
        let mut command =
            self.user.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn releases(&self) -> Vec<Value> {
        self.fake.edit(|state| state.repository_mut("aws_prov").releases.clone())
    }

    /// The one release, which must be published with exactly its files. Returns the archive.
    fn whole(&self) -> Vec<u8> {
        let releases = self.releases();
        assert_eq!(releases.len(), 1, "{releases:?}");
        assert_eq!(
            (&releases[0]["draft"], &releases[0]["tag_name"]),
            (&false.into(), &"1.2.0".into())
        );
        assert_eq!(releases[0]["name"], "1.2.0");
        assert_eq!(names(&releases[0]), FILES);
        let checksum = self.file("aws_prov.tar.gz.sha256");
        let archive = self.file("aws_prov.tar.gz");
        let digest = registry_core::models::digest::Digest::sha256(&archive);
        let expected = format!("{}  aws_prov.tar.gz\n", digest.hex());
        assert_eq!(String::from_utf8(checksum).unwrap(), expected);
        let manifest = String::from_utf8(self.file("aws_prov.tar.gz.manifest.json")).unwrap();
        assert!(manifest.contains(&digest.to_string()), "{manifest}");
        archive
    }

    fn file(&self, name: &str) -> Vec<u8> {
        let release = self.releases().remove(0);
        let assets = release["assets"].as_array().unwrap().clone();
        let asset = assets.iter().find(|asset| asset["name"] == name).unwrap();
        let uuid = asset["uuid"].as_str().unwrap().to_owned();
        self.fake.edit(|state| state.bytes_of(&uuid, asset["size"].as_u64().unwrap()))
    }

    /// Checks what everybody sees: nothing, or whole releases.
    fn assert_nothing_half(&self) {
        let published = self.releases().into_iter().filter(|release| release["draft"] == false);
        for release in published {
            assert_eq!(names(&release), FILES, "half a release is seen");
        }
    }

    /// The methods of the requests so far that change something.
    fn writes(&self) -> Vec<String> {
        let seen = self.fake.take_seen().into_iter();
        let writes = seen.filter(|seen| seen.method != "GET");
        writes.map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }
}

fn names(release: &Value) -> Vec<String> {
    let assets = release["assets"].as_array().unwrap();
    let mut names: Vec<String> =
        assets.iter().map(|asset| asset["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_published_once_and_again_without_a_write() {
    let author = Author::new().await;
    author.user.write("notes.md", "Says it louder.");
    author.publishes(&["--notes", "notes.md"]);
    author.whole();
    let release = author.releases().remove(0);
    assert_eq!(
        (&release["body"], &release["prerelease"]),
        (&"Says it louder.".into(), &false.into())
    );
    let tags = author.fake.edit(|state| state.trees.len());
    assert!(tags > 0, "the tag is made when the release is published");
    author.writes();
    let again = author.publishes(&["--notes", "notes.md"]);
    assert!(again.stderr.contains("already published"), "{}", again.stderr);
    assert_eq!(author.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_is_refused_and_replaced_only_when_asked() {
    let author = Author::new().await;
    author.publishes(&[]);
    let before = author.whole();
    author.write_extension("2");
    author.writes();
    author.fails(&[], 8, "published already");
    assert_eq!(author.writes(), [""; 0]);
    author.publishes(&["--replace"]);
    assert!(author.whole() != before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_may_be_there_under_a_tag_with_v_and_with_other_names_of_files() {
    let author = Author::new().await;
    author.publishes(&[]);
    let archive = author.whole();
    for checksum in [true, false] {
        author.fake.edit(|state| {
            state.repository_mut("aws_prov").releases.clear();
            let digest = registry_core::models::digest::Digest::sha256(&archive);
            let sum = format!("{}  aws-1.2.0.tar.gz\n", digest.hex());
            let mut files: Vec<(&str, &[u8])> = vec![("aws-1.2.0.tar.gz", &archive)];
            if checksum {
                files.push(("aws-1.2.0.tar.gz.sha256", sum.as_bytes()));
            }
            state.publish("aws_prov", "v1.2.0", &files);
        });
        author.writes();
        let ran = author.publishes(&[]);
        assert!(ran.stderr.contains("already published"), "{}", ran.stderr);
        assert_eq!(author.writes(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_announces_each_write_and_makes_none() {
    let author = Author::new().await;
    let ran = author.publishes(&["--dry-run"]);
    for write in [
        "create a draft of 1.2.0",
        "upload aws_prov.tar.gz (",
        "upload README.md",
        "publish the draft",
    ] {
        assert!(ran.stderr.contains(&format!("would {write}")), "{write}: {}", ran.stderr);
    }
    assert_eq!(author.writes(), [""; 0]);
    author.fake.edit(|state| state.repositories.clear());
    let ran = author.publishes(&["--dry-run", "--create-repository"]);
    assert!(ran.stderr.contains("would create the private repository"), "{}", ran.stderr);
    assert_eq!(author.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_created_when_asked_or_gets_a_first_commit() {
    let author = Author::at(State::empty()).await;
    author.fails(&[], 3, "has no repository provisioning-extensions/aws_prov");
    author.publishes(&["--create-repository"]);
    author.whole();
    assert!(author.fake.edit(|state| state.repository_mut("aws_prov").is_private()));
    let author = Author::new().await;
    author.fake.edit(|state| state.repository_mut("aws_prov").json["empty"] = true.into());
    author.fails(&[], 2, "is empty");
    author.publishes(&["--create-repository"]);
    author.whole();
}
