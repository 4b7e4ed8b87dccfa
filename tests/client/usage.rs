//! The command line itself: exit codes, helps, standard streams, and a missing home.

use std::fs::File;
use std::process::Command;

use crate::client::rig::{EXTREG, Ran, Rig, User};
use crate::support::program::PROGRAM;

#[test]
fn wrong_usage_ends_with_2() {
    let user = User::of("http://127.0.0.1:1");
    for (arguments, part) in [
        (&[][..], "Usage: extreg"),
        (&["serve"], "unrecognized subcommand"),
        (&["list", "--wrong"], "unexpected argument"),
        (&["show", "a/b/c"], "the type must be one of"),
        (&["pull", "aws@^"], "after @"),
        (&["list", "-o", "xml"], "is no form of output"),
        (&["list", "--timeout", "0"], "0 is not in 1..=3600"),
        (&["list", "--config", "x"], "unexpected argument"),
        (&["-s", "ftp://x", "list"], "http:// or https://"),
        (&["--ca-file", "missing", "list"], "--ca-file missing"),
        (&["pull"], "there is no extensions.toml"),
        (&["verify", "--lock", "x"], "there is no lock at x"),
    ] {
        user.fails(arguments, 2, part);
    }
    let ran = Ran::of(user.command(&["list"]).env("EXTENSION_REGISTRY_OUTPUT", "xml"));
    assert_eq!((ran.code, ran.stderr.contains("no form of output")), (2, true), "{}", ran.stderr);
}

#[test]
fn the_service_has_the_commands_and_keeps_its_flags_apart() {
    let rig = Rig::with(&[("provider/aws", "1.0.0", b"x")]);
    let program = |arguments: &[&str]| {
        let user = rig.user.command(&[]);
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_clear().current_dir(rig.user.project());
        command.envs(user.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Ran::of(&mut command)
    };
    let listed = program(&["list", "-o", "name"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, "provider/aws@1.0.0\n"));
    for arguments in [
        &["list", "--config", "x"][..],
        &["--config", "x", "list"],
        &["--port", "1", "list"],
        &["--demo", "list"],
        &["--json-log", "list"],
        &["--log-level", "debug", "list"],
    ] {
        let ran = program(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.stderr.contains("belongs to the service"), "{}", ran.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_link_named_extreg_never_serves() {
    let user = User::of("http://127.0.0.1:1");
    let link = user.project().join("extreg");
    std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    let ran = Ran::of(Command::new(&link).env_clear().current_dir(user.project()));
    assert_eq!((ran.code, ran.stderr.contains("Usage: extreg")), (2, true), "{}", ran.stderr);
    let ran = Ran::of(Command::new(&link).arg("--demo").env_clear());
    assert_eq!((ran.code, ran.stderr.contains("unexpected argument")), (2, true));
}

#[test]
fn the_help_has_topics() {
    let user = User::of("");
    let codes = user.succeeds(&["help", "exit-codes"]).stdout;
    assert!(codes.contains("  130  ended by Ctrl-C"), "{codes}");
    assert_eq!(user.succeeds(&["exit-codes"]).stdout, codes);
    let ranges = user.succeeds(&["help", "ranges"]).stdout;
    assert!(ranges.contains("'aws@^1.2'"), "{ranges}");
    assert_eq!(user.succeeds(&["ranges"]).stdout, ranges);
    assert!(user.succeeds(&["--version"]).stdout.starts_with("extreg "));
}

#[test]
fn a_closed_pipe_is_no_failure_and_a_full_disk_is_one() {
    let rig = Rig::with(&[("provider/aws", "1.0.0", b"x")]);
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let ran = Ran::of(rig.user.command(&["list"]).stdout(closed));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(rig.user.command(&["list"]).stdout(full));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("the output cannot be written"), "{}", ran.stderr);
}

#[test]
fn without_a_home_everything_but_login_works() {
    let rig = Rig::with(&[("provider/aws", "1.0.0", b"x")]);
    let run = |arguments: &[&str]| Ran::of(rig.user.command(arguments).env_remove("HOME"));
    assert_eq!(run(&["pull", "aws"]).code, 0);
    let ran = run(&["login", "--token-stdin"]);
    assert_eq!((ran.code, ran.stderr.contains("no place for the token")), (2, true));
}

#[test]
fn a_failure_is_one_object_where_programs_read() {
    let user = User::of("http://127.0.0.1:1");
    for form in ["json", "jsonl", "nuon"] {
        let ran = user.fails(&["list", "-o", form], 5, "{\"error\":\"unavailable\"");
        let body: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!((&body["exit"], ran.stdout.as_str()), (&5.into(), ""));
        assert!(body["message"].is_string() && body["hint"].is_string());
    }
}

/// `script` of util-linux gives the program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_of_40_columns_gets_lines_that_fit() {
    let rig = Rig::with(&[("provider/a-rather-long-name", "1.0.0", b"x")]);
    let line = format!("stty cols 40 rows 24; exec {EXTREG} list");
    let mut command = Command::new("script");
    let user = rig.user.command(&[]);
    command.args(["-qec", &line, "/dev/null"]).current_dir(rig.user.project()).env_clear();
    command.envs(user.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.trim_end().chars().count() <= 40), "{lines:?}");
    assert!(lines[1].contains('…'), "{lines:?}");
}
