//! Install lines, taken from a page and run as they stand, over a real OCI registry.

use std::path::Path;
use std::process::{Output, Stdio};

use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::{Store, manifest_of};
use registry_testing::tools::{installed_by_us, is_installed};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::program::Running;
use crate::support::served::{BROWSER, Got};

/// What scripts/test calls them.
const ANSIBLE: &str = "ansible-playbook-2.19.14";
const NUSHELL: &str = "nu-0.115.1";
const ORAS: &str = "oras-1.3.6";
const ARCHIVE: &[u8] = b"the bytes of an archive";

/// The service over a registry that has one version.
struct Offered {
    registry: DockerRegistry,
    service: Running,
    dir: TempDir,
    file_name: String,
}

impl Offered {
    /// Returns `None`, and prints why, where no registry is installed.
    async fn start(file_name: &str) -> Option<Self> {
        let registry = DockerRegistry::start(Access::Open).await?;
        let (mut store, repository) = (Store::default(), "provisioning/aws-provider");
        store.blob(repository, b"{}");
        let layer = (store.blob(repository, ARCHIVE), ARCHIVE.len(), file_name);
        store.push_manifest(repository, "1.0.0", &manifest_of(&[layer]));
        Pusher::new(&registry.url(), None).store(&store).await;
        let dir = tempfile::tempdir().unwrap();
        let config =
            format!("[oci]\nregistry = \"{}\"\nnamespace = \"provisioning\"\n", registry.url());
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let service = Running::start(dir.path(), &[]);
        Some(Self { registry, service, dir, file_name: file_name.to_owned() })
    }

    /// Returns the lines of this kind as a browser copies them.
    async fn lines(&self, kind: &str) -> String {
        let client = registry_testing::http::client_builder().build().unwrap();
        let url = format!("http://{}/provider/aws", self.service.address);
        let page = client.get(url).header("accept", BROWSER).send().await.unwrap();
        let html = Got::read(page).await.text();
        let block = html.split(&format!("data-kind=\"{kind}\"")).nth(1).expect(&html);
        let code = block.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
        let code = code.replace("&#39;", "'").replace("&#34;", "\"").replace("&quot;", "\"");
        code.replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&").replace("&amp;", "&")
    }

    /// Runs a program in an empty directory, with the tools of the tests in its path.
    async fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Output {
        let work = self.dir.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let bin = self.dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(installed_by_us(ORAS), bin.join("oras")).unwrap();
        let extreg = env!("CARGO_BIN_EXE_extreg");
        std::os::unix::fs::symlink(extreg, bin.join("extreg")).unwrap();
        let output = Command::new(program.as_ref())
            .args(arguments)
            .current_dir(work)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("HOME", self.dir.path())
            .env("LANG", "C.UTF-8")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let told = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{arguments:?}\n{}\n{}", told[0], told[1]);
        output
    }

    fn assert_saved(&self) {
        let saved = std::fs::read(self.dir.path().join("work").join(&self.file_name)).unwrap();
        assert_eq!(saved, ARCHIVE);
    }

    async fn stop(self) {
        drop(self.service);
        self.registry.stop().await;
    }
}

#[tokio::test]
async fn the_lines_for_curl_save_the_archive_and_check_it() {
    let Some(offered) = Offered::start("aws-1.0.0.tar.gz").await else { return };
    let lines = offered.lines("curl").await;
    let output = offered.run("/bin/sh", &["-c", &lines]).await;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "aws-1.0.0.tar.gz: OK\n");
    offered.assert_saved();
    offered.stop().await;
}

#[tokio::test]
async fn the_line_for_extreg_saves_the_archive_which_it_checks_itself() {
    let Some(offered) = Offered::start("aws-1.0.0.tar.gz").await else { return };
    let line = offered.lines("extreg").await;
    offered.run("/bin/sh", &["-c", &line]).await;
    offered.assert_saved();
    offered.stop().await;
}

#[tokio::test]
async fn the_lines_for_nushell_save_the_archive_and_check_it() {
    let nushell = installed_by_us(NUSHELL);
    if !is_installed(&nushell) {
        return;
    }
    let Some(offered) = Offered::start("aws-1.0.0.tar.gz").await else { return };
    let lines = offered.lines("nushell").await;
    assert!(lines.contains("hash sha256"), "{lines}");
    offered.run(nushell, &["--no-config-file", "--commands", &lines]).await;
    offered.assert_saved();
    offered.stop().await;
}

#[tokio::test]
async fn the_task_for_ansible_saves_the_archive_and_checks_it() {
    let ansible = installed_by_us(ANSIBLE);
    if !is_installed(&ansible) {
        return;
    }
    // The task saves it in a directory of the machine, where other files have other names.
    let file_name = format!("aws-of-a-test-{}.tar.gz", std::process::id());
    let Some(offered) = Offered::start(&file_name).await else { return };
    let task = offered.lines("ansible").await;
    assert!(task.contains("checksum: \"sha256:"), "{task}");
    let tasks = task.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let play = format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}");
    let path = offered.dir.path().join("play.yml");
    std::fs::write(&path, play).unwrap();
    let path = path.to_str().unwrap();
    offered.run(ansible, &["--inventory", "localhost,", "--connection", "local", path]).await;
    let saved = Path::new("/var/tmp").join(&file_name);
    let bytes = std::fs::read(&saved);
    std::fs::remove_file(saved).unwrap();
    assert_eq!(bytes.unwrap(), ARCHIVE);
    offered.stop().await;
}

#[tokio::test]
async fn the_line_for_oras_pulls_the_archive_from_the_registry() {
    if !is_installed(installed_by_us(ORAS)) {
        return;
    }
    let Some(offered) = Offered::start("aws-1.0.0.tar.gz").await else { return };
    let line = offered.lines("oras").await;
    assert!(line.contains(offered.registry.authority()) && line.contains("@sha256:"), "{line}");
    offered.run("/bin/sh", &["-c", &line]).await;
    offered.assert_saved();
    offered.stop().await;
}
