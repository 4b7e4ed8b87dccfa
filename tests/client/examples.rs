//! The examples of docs/cli.md for other tools, run as they stand.

use std::fs;
use std::path::Path;
use std::process::Command;

use registry_testing::tools::{installed_by_us, is_installed};

use crate::client::rig::{EXTREG, Ran, Rig, User};

/// What scripts/test calls them.
const ANSIBLE: &str = "ansible-playbook-2.19.14";
const NUSHELL: &str = "nu-0.115.1";

/// Returns the example of a tool.
fn example(language: &str, part: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let text = fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let mut blocks = text.split(&fence).skip(1);
    let block = blocks.find(|block| block.split("```").next().unwrap().contains(part));
    block.unwrap().split("```").next().unwrap().to_owned()
}

/// Runs a program with the user's variables, which finds `extreg`.
fn run(user: &User, program: &Path, arguments: &[&str]) -> Ran {
    let plain = user.command(&[]);
    let mut command = Command::new(program);
    command.args(arguments).current_dir(user.project()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let programs = Path::new(EXTREG).parent().unwrap().display();
    command.env("PATH", format!("{programs}:/usr/bin:/bin")).env("LANG", "C.UTF-8");
    Ran::of(&mut command)
}

#[test]
fn the_task_for_ansible_changes_something_once() {
    let ansible = installed_by_us(ANSIBLE);
    if !is_installed(&ansible) {
        return;
    }
    let rig = Rig::with(&[("provider/aws", "1.0.0", b"x")]);
    rig.user.succeeds(&["add", "aws"]);
    let project = rig.user.project().display().to_string();
    let task = example("yaml", "ansible.builtin.command");
    let task = task.replace("/etc/provisioning", &project);
    let task = task.replace("/opt/extensions", &format!("{project}/opt"));
    let task: String = task.lines().map(|line| format!("    {line}\n")).collect();
    rig.user
        .write("play.yml", &format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n{task}"));
    let arguments = ["--inventory", "localhost,", "--connection", "local", "play.yml"];
    for changed in ["changed=1", "changed=0"] {
        let ran = run(&rig.user, &ansible, &arguments);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(changed), "{}", ran.stdout);
    }
    assert_eq!(rig.user.read("opt/aws-1.0.0.tar.gz"), "x");
}

#[test]
fn nushell_reads_sizes_and_dates_and_the_completions() {
    let nushell = installed_by_us(NUSHELL);
    if !is_installed(&nushell) {
        return;
    }
    let large = vec![b'x'; 4000];
    let rig = Rig::with(&[("provider/aws", "1.0.0", &large), ("provider/tiny", "1.0.0", b"x")]);
    let line = example("nu", "from nuon");
    let line = format!("{} | get name | str join ' '", line.trim());
    let ran = run(&rig.user, &nushell, &["--no-config-file", "--commands", &line]);
    assert_eq!((ran.code, ran.stdout.trim()), (0, "aws"), "{}", ran.stderr);
    rig.user.write("extreg.nu", &rig.user.succeeds(&["completions", "nushell"]).stdout);
    let script = "use extreg.nu *; scope externs | where name == 'extreg pull' | length";
    let ran = run(&rig.user, &nushell, &["--no-config-file", "--commands", script]);
    assert_eq!((ran.code, ran.stdout.trim()), (0, "1"), "{}", ran.stderr);
}
