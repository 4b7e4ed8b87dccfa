//! The repository itself: its workflows, the outcomes of its checks, and what a release is attached by.

mod attach;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize as _;
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn workflows() -> Vec<(String, Value)> {
    let files = fs::read_dir(path(".github/workflows")).unwrap();
    files
        .map(|entry| {
            let name = format!(".github/workflows/{}", entry.unwrap().file_name().display());
            let text = read(&name);
            let workflow = Value::deserialize(yaml_serde::Deserializer::from_str(&text)).unwrap();
            (name, workflow)
        })
        .collect()
}

/// Every step of a workflow, with the job it belongs to.
fn steps(workflow: &Value) -> Vec<(&Value, &Value)> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    jobs.flat_map(|job| job["steps"].as_array().unwrap().iter().map(move |step| (job, step)))
        .collect()
}

#[test]
fn workflows_pin_their_actions_and_may_only_read() {
    let workflows = workflows();
    assert_eq!(workflows.len(), 2);
    for (name, workflow) in &workflows {
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{name}");
        for (job, step) in steps(workflow) {
            assert!(job["timeout-minutes"].is_u64(), "{name}");
            let Some(action) = step["uses"].as_str() else { continue };
            let (_, commit) = action.split_once('@').expect(action);
            let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(pinned, "{name}: {action} is not named by its commit");
            if action.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["persist-credentials"], false, "{name}");
            }
        }
    }
}

#[test]
fn one_job_may_write_and_hands_its_token_to_the_last_step_alone() {
    let mut writing = 0;
    for (name, workflow) in workflows() {
        for job in workflow["jobs"].as_object().unwrap().values() {
            let steps = job["steps"].as_array().unwrap();
            let handed = |step: &Value| step.to_string().contains("github.token");
            if job["permissions"]["contents"] == "write" {
                writing += 1;
                assert_eq!(name, ".github/workflows/release.yml");
                let (last, before) = steps.split_last().unwrap();
                assert!(handed(last) && !before.iter().any(handed));
                assert!(last["run"].as_str().unwrap().starts_with("scripts/attach "));
            } else {
                assert!(!steps.iter().any(handed), "{name}");
                assert_eq!(job.get("permissions"), None, "{name}");
            }
        }
    }
    assert_eq!(writing, 1);
}

#[test]
fn workflows_run_the_scripts_that_run_by_hand() {
    let mut commands = Vec::new();
    for (_, workflow) in workflows() {
        let steps = steps(&workflow);
        commands
            .extend(steps.iter().filter_map(|(_, step)| step["run"].as_str().map(str::to_owned)));
    }
    for script in ["scripts/check", "scripts/test", "scripts/release", "scripts/attach"] {
        let runs = |line: &String| line.split_whitespace().any(|word| word == script);
        assert!(commands.iter().any(runs), "no workflow runs {script}");
        assert!(path(script).exists(), "{script}");
    }
    assert!(commands.iter().any(|line| line.starts_with("docker build ")), "{commands:?}");
    // Gitea reads only this folder if it is there.
    assert!(!path(".gitea/workflows").exists());
}

#[test]
fn the_changelog_has_the_version_of_the_manifest() {
    let changelog = read("CHANGELOG.md");
    let mut sections = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    assert_eq!(sections.next(), Some("Unreleased]"));
    let newest = sections.next().unwrap();
    let version = concat!(env!("CARGO_PKG_VERSION"), "] - ");
    assert!(newest.starts_with(version), "{newest}");
}

/// Runs bash with the functions of scripts/steps.sh.
fn bash(script: &str, ci: bool) -> Output {
    let mut command = Command::new("bash");
    command
        .current_dir(path(""))
        .args(["-c", &format!("set -euo pipefail; source scripts/steps.sh; {script}")]);
    command.env_remove("CI");
    if ci {
        command.env("CI", "true");
    }
    command.output().unwrap()
}

#[test]
fn a_step_that_is_left_out_is_never_ok_and_fails_in_ci() {
    let script = "step Good true; step Bad false; step Absent missing 'no such tool'; \
                  step Relayed relayed /dev/null sh -c 'exit 77'; summary; \
                  printf 'failed: %s\\n' \"${#failures[@]}\"";
    for (ci, failed) in [(false, 1), (true, 3)] {
        let output = bash(script, ci);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        for line in [
            "--- Good: ok, ",
            "--- Bad: FAILED, ",
            "--- Absent: left out, ",
            "--- Relayed: left out, ",
            "FAILED: Bad\n",
            "NOTICE: no such tool\n",
            &format!("failed: {failed}\n"),
        ] {
            assert!(said.contains(line), "{line} is not in {said}");
        }
        assert_eq!(said.contains("FAILED: Absent"), ci, "{said}");
    }
}

/// A directory with these programs alone, as a `PATH`.
fn only(programs: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for program in programs {
        let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
        let found = found.into_iter().find(|path| path.exists()).expect(program);
        std::os::unix::fs::symlink(found, dir.path().join(program)).unwrap();
    }
    dir
}

#[test]
fn without_its_tool_a_check_says_so_and_is_left_out() {
    let tools = only(&["bash", "dirname", "mktemp", "rm"]);
    let run = |arguments: &[&str]| {
        let mut command = Command::new("/bin/bash");
        command.current_dir(path("")).args(arguments).env("PATH", tools.path());
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = run(&["scripts/check-deploy", "prometheus"]);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.starts_with("NOTICE: promtool is missing"), "{said}");
    let (code, said) = run(&["scripts/browser"]);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.starts_with("NOTICE: docker-registry is missing"), "{said}");
    for (script, tool) in [
        ("scripts/oci-clients", "containerd"),
        ("scripts/oci-conformance", "docker-registry"),
        ("scripts/oci-mirror", "docker-registry"),
    ] {
        let (code, said) = run(&[script]);
        assert_eq!(code, Some(77), "{script}: {said}");
        assert!(said.starts_with(&format!("NOTICE: {tool} is missing")), "{script}: {said}");
    }
    let (code, said) = run(&["-c", "source scripts/steps.sh; check_scripts"]);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.starts_with("NOTICE: shellcheck is missing"), "{said}");
}

#[test]
fn the_notices_of_a_script_count_among_ours() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log").display().to_string();
    let script = format!(
        "step Part relayed '{log}' sh -c 'echo before; echo NOTICE: it lacks a tool; exit 3'; summary"
    );
    let said = String::from_utf8(bash(&script, false).stdout).unwrap();
    let (_, summary) = said.split_once("==> Summary").unwrap();
    assert!(
        summary.contains("NOTICE: it lacks a tool\n") && summary.contains("FAILED: Part\n"),
        "{said}"
    );
    assert!(fs::read_to_string(log).unwrap().starts_with("before\n"));
}
