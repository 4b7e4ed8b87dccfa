//! The jobs of docs/ci.md: their scripts are run against servers of the tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{Publisher, State};

use crate::client::rig::{EXTREG, Ran, Rig, User, packed};

/// Returns the script of the job with this title, as a runner would have it.
fn script(title: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, job) = text.split_once(&format!("- name: {title}\n")).unwrap();
    let (_, script) = job.split_once("run: |\n").unwrap();
    let lines = script.lines().map_while(|line| line.strip_prefix("          "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Runs a script as a runner does, in a checkout with an extension.
fn run(user: &User, script: &str, variables: &[(&str, &str)]) -> Ran {
    let temporary = user.home("temporary");
    fs::create_dir_all(&temporary).unwrap();
    let plain = user.command(&[]);
    let mut shell = Command::new("/bin/bash");
    shell.args(["-e", "-c", script]).current_dir(user.project()).env_clear();
    shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let programs = Path::new(EXTREG).parent().unwrap().display();
    shell.env("PATH", format!("{programs}:/usr/bin:/bin")).env("RUNNER_TEMP", &temporary);
    shell.env("GITHUB_REF_NAME", "1.2.0").envs(variables.iter().copied());
    Ran::of(&mut shell)
}

fn checkout() -> User {
    let user = User::of("");
    user.write("extension.toml", "type = \"taskserv\"\nname = \"hello\"\n");
    user.write("README.md", "# Hello\n");
    user
}

fn runs_twice(user: &User, script: &str, variables: &[(&str, &str)]) {
    for told in ["published taskserv/hello 1.2.0", "is already published"] {
        let ran = run(user, script, variables);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_for_gitea_publishes_once_and_can_be_run_again() {
    let mut state = State::empty();
    state.create("hello_taskserv", "hello");
    let fake = FakeGitea::start(state).await;
    let token: String = fake.token("publisher");
    fake.edit(|state| state.publisher = Some(Publisher::new("platform", &token)));
    let to = format!("gitea+http://{}/provisioning-extensions", fake.url().authority());
    let script = script("Publish to Gitea").replace("gitea://git.example.com/extensions", &to);
    runs_twice(&checkout(), &script, &[("PUBLISH_TOKEN", &token)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_for_a_registry_publishes_once_and_can_be_run_again() {
    let Some(registry) = DockerRegistry::start(Access::Open).await else { return };
    let to = format!("oci+http://{}/extensions", registry.authority());
    let script =
        script("Publish to a registry").replace("oci://registry.example.com/extensions", &to);
    let login = [("REGISTRY_USER", "ci"), ("REGISTRY_PASSWORD", "word")];
    runs_twice(&checkout(), &script, &login);
}

#[test]
fn the_job_for_a_mirror_copies_and_verifies() {
    let rig = Rig::with(&[("provider/a", "1.0.0", &packed(&[("main.k", "1")]))]);
    let mirror = rig.user.project().join("mirror").display().to_string();
    let script = script("Mirror the registry")
        .replace("https://extensions.example.com", rig.user.server())
        .replace("/srv/mirror", &mirror);
    for told in ["copied 1, unchanged 0", "copied 0, unchanged 1"] {
        let ran = run(&rig.user, &script, &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        assert_eq!(ran.stdout, "a-provider@1.0.0\n");
    }
}
