//! Completions and manual pages.

use std::process::Command;

use crate::client::fake::Fake;
use crate::client::rig::{EXTREG, Ran, Rig, User, names};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// What the program offers a shell for the last of these words. A service that is busy for longer than a
/// user waits is asked again.
fn offered(user: &User, shell: &str, words: &[&str]) -> Vec<String> {
    let answers = (0..100).map(|_| offered_once(user, shell, words));
    let mut answers = answers.skip_while(Vec::is_empty);
    answers.next().unwrap_or_default()
}

fn offered_once(user: &User, shell: &str, words: &[&str]) -> Vec<String> {
    let mut command = user.command(&["--", "extreg"]);
    let index = words.len().to_string();
    command.args(words).env("COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", index);
    let ran = Ran::of(command.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_COMP_TYPE", "9"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    // Shells show a text beside the word.
    let words = ran.stdout.lines().filter_map(|line| line.split(['\t', ':']).next());
    words.map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_names_and_flags() {
    let rig = Rig::with(&[("provider/aws", "1.0.0", b"x"), ("provider/azure", "1.0.0", b"y")]);
    // From here on the names are known, however busy the service is.
    offered(&rig.user, "bash", &["show", "a"]);
    let script = format!(
        "source <({EXTREG} completions bash)
         function=$(complete -p extreg | sed 's/.*-F \\([^ ]*\\).*/\\1/')
         extreg() {{ {EXTREG} \"$@\"; }}
         try() {{
           COMP_WORDS=(extreg \"$@\") COMP_CWORD=$# COMP_TYPE=9 COMPREPLY=()
           COMP_LINE=\"extreg $*\" COMP_POINT=${{#COMP_LINE}}
           $function extreg \"${{!#}}\" extreg
           printf '%s ' \"${{COMPREPLY[@]}}\"; echo
         }}
         try sho; try show a; try show provider/aw; try show aws --read"
    );
    let plain = rig.user.command(&[]);
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script]).env_clear().current_dir(rig.user.project());
    bash.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let programs = std::path::Path::new(EXTREG).parent().unwrap().display();
    let ran = Ran::of(bash.env("PATH", format!("{programs}:/usr/bin:/bin")));
    let lines: Vec<&str> = ran.stdout.lines().map(str::trim).collect();
    assert_eq!(lines, ["show", "aws azure", "provider/aws", "--readme"], "{}", ran.stderr);
}

#[test]
fn every_shell_gets_names_and_versions_of_the_registry() {
    let rig = Rig::with(&[("provider/aws", "1.0.0", b"x"), ("provider/aws", "1.1.0", b"y")]);
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert_eq!(offered(&rig.user, shell, &["show", "aw"]), ["aws"], "{shell}");
        let versions = offered(&rig.user, shell, &["pull", "aws@"]);
        assert_eq!(versions, ["aws@1.1.0", "aws@1.0.0"], "{shell}");
    }
}

#[test]
fn without_an_answer_the_last_names_are_offered_and_never_an_error() {
    let mut rig = Rig::with(&[("provider/aws", "1.0.0", b"x")]);
    assert_eq!(offered(&rig.user, "fish", &["show", "aw"]), ["aws"]);
    rig.end();
    assert_eq!(offered(&rig.user, "fish", &["show", "aw"]), ["aws"], "those of a minute ago");
    let silent = Fake::writing(|_, stream| {
        // Ends when the client has lost its patience.
        let _ = std::io::Read::read(stream, &mut [0]);
    });
    assert!(offered_once(&User::of(&silent.url), "fish", &["show", "aw"]).is_empty());
}

#[test]
fn scripts_and_pages_are_printed_for_every_shell_and_command() {
    let user = User::of("");
    for shell in SHELLS {
        let script = user.succeeds(&["completions", shell]).stdout;
        assert!(script.contains("COMPLETE") && script.contains("extreg"), "{shell}: {script}");
    }
    let nushell = user.succeeds(&["completions", "nushell"]).stdout;
    for part in ["export extern \"extreg pull\"", "--locked", "export use completions *"] {
        assert!(nushell.contains(part), "{nushell}");
    }
    user.fails(&["completions", "tcsh"], 2, "invalid value");
    assert!(user.succeeds(&["man"]).stdout.contains(".TH extreg 1"));
    user.succeeds(&["man", "pages"]);
    let pages = names(&user.project().join("pages"));
    for command in ["extreg.1", "extreg-pull.1", "extreg-lock.1"] {
        assert!(pages.iter().any(|page| page == command), "{pages:?}");
    }
    user.write("file", "");
    user.fails(&["man", "file"], 1, "file cannot be written");
}
