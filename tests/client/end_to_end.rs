//! From a directory of an author to a place without a network: published to each kind of target, listed,
//! pulled, verified, mirrored, served from the mirror, and pulled again.

use std::fs;

use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{Publisher, State};
use serde_json::Value;

use crate::client::rig::User;
use crate::support::program::Running;

const ORGANIZATION: &str = "provisioning-extensions";

/// What everybody sees of a version at one service.
#[derive(Debug, PartialEq)]
struct Seen {
    fields: Vec<(&'static str, Value)>,
    readme: String,
    archive: Vec<u8>,
}

/// A service with one backend, and a user of it.
struct Service {
    user: User,
    _running: Running,
    _dir: tempfile::TempDir,
    /// Files that the backend reads.
    _kept: Option<tempfile::TempDir>,
}

impl Service {
    fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), config).unwrap();
        let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
        let user = User::of(&format!("http://{}", running.address));
        Self { user, _running: running, _dir: dir, _kept: None }
    }

    /// Publishes the extension, and waits until this service shows it.
    fn publish(&self, target: &str, more: &[&str]) {
        let user = &self.user;
        fs::create_dir_all(user.project().join("hello")).unwrap();
        user.write(
            "hello/extension.toml",
            "type = \"taskserv\"\nname = \"hello\"\nversion = \"1.2.0\"\n\
             description = \"Says hello — in öäü\"\nauthors = [\"Zoë\", \"Max\"]\n\
             license = \"MIT OR Apache-2.0\"\nkeywords = [\"hello\", \"example\"]\n\
             source = \"https://git.example.com/hello\"\n",
        );
        user.write("hello/README.md", "# Hello\n\nSays *hello*.\n");
        user.write("hello/install.sh", "#!/bin/sh\necho hello\n");
        user.write("notes.md", "Says it **louder**.\n");
        let server = user.server();
        let fixed = [
            "publish",
            "hello",
            "--to",
            target,
            "--notes",
            "notes.md",
            "--server",
            server,
            "--created",
            "2026-02-11T10:15:00Z",
        ];
        let words: Vec<&str> = fixed.iter().chain(more).copied().collect();
        let ran = user.succeeds(&words);
        assert!(ran.stderr.contains("shows taskserv/hello 1.2.0"), "{}", ran.stderr);
    }

    /// Lists, pulls and verifies the version.
    fn see(&self) -> Seen {
        let user = &self.user;
        let listed = user.succeeds(&["list", "-o", "name"]).stdout;
        assert_eq!(listed, "taskserv/hello@1.2.0\n");
        user.succeeds(&["add", "hello"]);
        user.succeeds(&["pull", "--to", "pulled", "--extract", "vendor"]);
        user.succeeds(&["verify", "pulled"]);
        user.succeeds(&["verify", "vendor/taskserv/hello"]);
        let shown = user.succeeds(&["show", "hello", "-o", "json"]).rows().remove(0);
        let fields =
            ["description", "author", "license", "keywords", "repository", "notes", "digest"];
        let fields = fields.map(|key| (key, shown[key].clone())).to_vec();
        let readme = user.succeeds(&["show", "hello", "--readme"]).stdout;
        let archive = fs::read_dir(user.project().join("pulled")).unwrap().next().unwrap();
        Seen { fields, readme, archive: fs::read(archive.unwrap().path()).unwrap() }
    }

    /// Mirrors the version, and looks at it where the mirror is served alone.
    fn see_mirrored(self) -> Seen {
        self.user.succeeds(&["mirror", "--to", "mirror"]);
        self.user.succeeds(&["mirror", "--verify", "mirror"]);
        let mirror = self.user.project().join("mirror");
        Self::start(&format!("[local]\npath = {:?}\n", mirror.display().to_string())).see()
    }
}

fn in_layouts() -> Service {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("layouts");
    fs::create_dir(&root).unwrap();
    let service = Service::start(&format!("[local]\npath = {:?}\n", root.display().to_string()));
    service.publish(&format!("local:{}", root.display()), &[]);
    Service { _kept: Some(dir), ..service }
}

fn in_registry(registry: &DockerRegistry) -> Service {
    let authority = registry.authority();
    let config =
        format!("[oci]\nregistry = \"http://{authority}\"\nnamespace = \"provisioning\"\n");
    let service = Service::start(&config);
    service.publish(&format!("oci+http://{authority}/provisioning"), &[]);
    service
}

fn in_gitea(fake: &FakeGitea) -> Service {
    let token: String = fake.token("publisher");
    fake.edit(|state| state.publisher = Some(Publisher::new("platform", &token)));
    let url = fake.url();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    fs::write(&file, &token).unwrap();
    let config = format!(
        "[gitea]\nurl = \"{url}\"\norganization = \"{ORGANIZATION}\"\ntoken_path = {:?}\n",
        file.display().to_string()
    );
    let service = Service::start(&config);
    let authority = url.authority();
    let target = format!("gitea+http://{authority}/{ORGANIZATION}");
    let token_file = ["--token-file", file.to_str().unwrap(), "--create-repository"];
    service.publish(&target, &token_file);
    Service { _kept: Some(dir), ..service }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_the_same_from_each_kind_of_target_and_from_its_mirror() {
    let fake = FakeGitea::start(State::empty()).await;
    let mut services = vec![("local", in_layouts()), ("gitea", in_gitea(&fake))];
    let registry = DockerRegistry::start(Access::Open).await;
    services.extend(registry.as_ref().map(|registry| ("oci", in_registry(registry))));
    let mut all = Vec::new();
    for (kind, service) in services {
        let seen = service.see();
        assert!(seen.readme.contains("Says *hello*."), "{kind}: {}", seen.readme);
        let mirrored = service.see_mirrored();
        assert!(mirrored.archive == seen.archive, "{kind}");
        assert_eq!(mirrored, seen, "{kind}");
        all.push((kind, seen));
    }
    for pair in all.windows(2) {
        let [(one, seen), (other, same)] = pair else { unreachable!() };
        for (mine, theirs) in seen.fields.iter().zip(&same.fields) {
            assert_eq!(mine, theirs, "{one} and {other}");
        }
        assert_eq!(seen, same, "{one} and {other}");
    }
}
