//! The tutorial of docs/cli.md: every command is run against the demo, and prints what is shown there.

use std::fs;
use std::path::Path;
use std::process::Command;

use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{Publisher, State};

use crate::client::rig::{EXTREG, User};
use crate::support::committed::assert_committed;
use crate::support::program::Running;

/// Registry of the text, which is started for the test on another port.
const REGISTRY: &str = "127.0.0.1:5000";
/// Gitea of the text, which the test plays on another port.
const GITEA: &str = "127.0.0.1:3000";

/// A server of the text, and its address in the test; `None` if it could not be started.
type Place<'a> = (&'static str, Option<&'a str>);

/// Runs the commands of a text, and returns it with what they print now. Commands with a server that
/// could not be started are not run, and keep what they printed.
fn run(text: &str, user: &User, places: &[Place<'_>]) -> String {
    let in_test = |text: &str| {
        places.iter().fold(text.to_owned(), |text, (shown, address)| {
            text.replace(shown, address.unwrap_or(shown))
        })
    };
    let in_text = |text: &str| {
        places.iter().fold(text.to_owned(), |text, (shown, address)| {
            text.replace(address.unwrap_or(shown), shown)
        })
    };
    let (mut shown, mut is_example, mut status) = (String::new(), false, 0);
    let mut keeps = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_example = line == "```console";
        }
        let command = line.strip_prefix("$ ").filter(|_| is_example);
        if let Some(command) = command {
            keeps = places.iter().any(|(shown, at)| command.contains(shown) && at.is_none());
        }
        if command.is_none() && is_example && !line.starts_with("```") && !keeps {
            // What an earlier run printed.
            continue;
        }
        shown.push_str(line);
        shown.push('\n');
        match command {
            None => {}
            Some(_) if keeps => {}
            Some("echo $?") => shown.push_str(&format!("{status}\n")),
            Some(command) => {
                let printed;
                (status, printed) = shell(&in_test(command), user);
                shown.push_str(&aligned(&in_text(&printed)));
            }
        }
    }
    shown
}

/// Runs a command. Returns its exit code, and everything it prints.
fn shell(command: &str, user: &User) -> (i32, String) {
    let plain = user.command(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(user.project()).env_clear();
    shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let programs = Path::new(EXTREG).parent().unwrap().display();
    let output = shell.env("PATH", format!("{programs}:/usr/bin:/bin")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = printed.lines().collect();
    // Several archives are fetched at once, and each line is printed when one is complete.
    lines
        .chunk_by_mut(|one, other| {
            let is_one_of_many =
                |line: &str| line.starts_with("pulled ") || line.starts_with("copied ");
            is_one_of_many(one) && is_one_of_many(other)
        })
        .for_each(<[&str]>::sort_unstable);
    (output.status.code().unwrap(), lines.iter().map(|line| format!("{line}\n")).collect())
}

/// Writes columns as a terminal shows them.
fn aligned(printed: &str) -> String {
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split('\t').collect()).collect();
    let tables = || rows.iter().filter(|row| row.len() > 1);
    let columns = tables().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| -> Option<usize> {
        tables().filter_map(|row: &Vec<&str>| Some(row.get(column)?.chars().count())).max()
    };
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let line = |row: &Vec<&str>| {
        if row.len() == 1 {
            return format!("{}\n", row[0]);
        }
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// A Gitea with the repository of the text, and a token in a file that may write to it.
async fn gitea(user: &User) -> FakeGitea {
    let mut state = State::empty();
    "demo".clone_into(&mut state.organization);
    state.create("hello_taskserv", "Says hello");
    let fake = FakeGitea::start(state).await;
    let token: String = fake.token("publisher");
    fake.edit(|state| state.publisher = Some(Publisher::new("ada", &token)));
    fs::create_dir_all(user.home("")).unwrap();
    fs::write(user.home("gitea.token"), token).unwrap();
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_tutorial_print_what_it_shows() {
    let registry = DockerRegistry::start(Access::Open).await;
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    let user = User::of(&format!("http://{}", running.address));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.matches("\n$ ").count() > 15, "the tutorial has commands");
    let gitea = gitea(&user).await;
    let url = gitea.url();
    let places = [
        (REGISTRY, registry.as_ref().map(DockerRegistry::authority)),
        (GITEA, Some(url.authority())),
    ];
    assert_committed(&path, &run(&text, &user, &places));
}

#[test]
fn the_exit_codes_of_the_document_are_those_of_the_program() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md")).unwrap();
    let help = User::of("").succeeds(&["help", "exit-codes"]).stdout;
    let codes = |text: &str, mark: &str| -> Vec<u8> {
        let lines = text.lines().filter_map(|line| {
            line.strip_prefix(mark)?.trim_start().split(' ').next()?.parse().ok()
        });
        lines.collect()
    };
    assert_eq!(codes(&text, "| "), codes(&help, "  "));
}
