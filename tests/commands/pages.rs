//! Completions and manual pages: they know every command.

use crate::support::program::run;

const COMMANDS: [&str; 5] = ["completions", "config", "doctor", "healthcheck", "man"];

#[test]
fn completions_of_every_shell_know_every_command() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(dir.path(), &["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in COMMANDS.into_iter().chain(["json-log"]) {
            assert!(script.contains(word), "{word} is not in the script for {shell}");
        }
    }
    assert_eq!(run(dir.path(), &["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn manual_pages_are_printed_or_written_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let printed = run(dir.path(), &["man"]);
    let page = String::from_utf8(printed.stdout).unwrap();
    assert!(page.contains(".TH extension-registry 1"), "{page}");
    assert!(run(dir.path(), &["man", "share/man1"]).status.success());
    for command in COMMANDS {
        let path = dir.path().join(format!("share/man1/extension-registry-{command}.1"));
        assert!(path.exists(), "{}", path.display());
    }
    let taken = dir.path().join("file");
    std::fs::write(&taken, "").unwrap();
    let refused = run(dir.path(), &["man", "file"]);
    assert_eq!(refused.status.code(), Some(1));
}
