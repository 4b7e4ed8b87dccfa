//! The program of the client, and a service with releases of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use registry_testing::archives::{self, File};
use registry_testing::canary;
use registry_testing::ids::id;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::layouts::{self, ARCHIVE};
use crate::support::program::Running;

const LAYOUTS: &str = "extensions";
pub const EXTREG: &str = env!("CARGO_BIN_EXE_extreg");

/// A user: a directory of a project, and a home.
pub struct User {
    dir: TempDir,
    server: String,
}

/// A user, and a service that reads layouts of a directory.
pub struct Rig {
    pub user: User,
    layouts: TempDir,
    running: Option<Running>,
}

impl User {
    /// A user of the registry at this address.
    pub fn of(server: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("project")).unwrap();
        Self { dir, server: server.to_owned() }
    }

    /// The address of the registry.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The directory in which commands are run.
    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// A directory in the user's home.
    pub fn home(&self, path: &str) -> PathBuf {
        self.dir.path().join("home").join(path)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(EXTREG);
        command.args(arguments).current_dir(self.project()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.home("")).env("EXTENSION_REGISTRY_URL", &self.server);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Runs a command that succeeds.
    pub fn succeeds(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        ran
    }

    /// Runs a command that fails with this code and a message with this part.
    pub fn fails(&self, arguments: &[&str], code: i32, part: &str) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{arguments:?}: {}", ran.stderr);
        ran
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.project().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.project().join(name)).unwrap()
    }

    /// Removes everything of the project and of the home.
    pub fn reset(&self) {
        for dir in [self.project(), self.home("")] {
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::create_dir(self.project()).unwrap();
    }

    /// Names in the directory of the project, sorted.
    pub fn names(&self) -> Vec<String> {
        names(&self.project())
    }
}

/// Names in a directory, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How a command ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        Self::read(command.output().unwrap())
    }

    pub fn read(output: Output) -> Self {
        canary::shown("standard output", &output.stdout);
        canary::shown("standard error", &output.stderr);
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Rows of `-o json`.
    pub fn rows(&self) -> Vec<Value> {
        serde_json::from_str(&self.stdout).expect(&self.stdout)
    }
}

impl Rig {
    /// A service with these releases: `type/name`, tag, bytes of the archive.
    pub fn with(releases: &[(&str, &str, &[u8])]) -> Self {
        Self::publishing(|root| publish_all(root, releases))
    }

    /// A service of the layouts that this function makes in a directory.
    pub fn publishing(publish: impl FnOnce(&Path)) -> Self {
        let layouts = tempfile::tempdir().unwrap();
        publish(&layouts.path().join(LAYOUTS));
        Self { user: User::of(""), layouts, running: None }.started()
    }

    /// The directory of the layouts.
    pub fn layouts(&self) -> PathBuf {
        self.layouts.path().join(LAYOUTS)
    }

    fn started(mut self) -> Self {
        let config = format!("[local]\npath = \"{LAYOUTS}\"\n");
        fs::write(self.layouts.path().join("config.toml"), config).unwrap();
        let running = Running::start(self.layouts.path(), &["--host", "127.0.0.1"]);
        self.user.server = format!("http://{}", running.address);
        self.running = Some(running);
        self
    }

    /// Publishes more releases, and starts the service anew, so that it knows them.
    pub fn and(mut self, releases: &[(&str, &str, &[u8])]) -> Self {
        drop(self.running.take());
        publish_all(&self.layouts.path().join(LAYOUTS), releases);
        self.started()
    }

    /// Ends the service. Returns the paths that it was asked for, in their order.
    pub fn end(&mut self) -> Vec<String> {
        let Some(running) = self.running.take() else { return Vec::new() };
        running.signal("-TERM");
        let (_, log) = running.wait();
        let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let requests = lines.filter(|line| line["message"] == "request");
        requests.map(|line| line["path"].as_str().unwrap().to_owned()).collect()
    }
}

fn publish_all(root: &Path, releases: &[(&str, &str, &[u8])]) {
    for (extension, tag, archive) in releases {
        let id = id(extension);
        let file = format!("{}-{tag}.tar.gz", id.name);
        publish(root, extension, tag, &file, archive);
    }
}

/// Publishes a release with an archive of this name.
pub fn publish(root: &Path, extension: &str, tag: &str, file: &str, archive: &[u8]) {
    let described = ("org.opencontainers.image.description", "described");
    layouts::publish_with(root, &id(extension), tag, described, &[(ARCHIVE, file, archive)]);
}

/// A tar in gzip with these files.
pub fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
    archives::packed(&files)
}
