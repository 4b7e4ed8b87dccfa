//! Completions for shells. A shell calls the program while the user types, so that names and versions of
//! the registry complete too.

use std::ffi::{OsStr, OsString};

use clap::Command;
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCompleter, CompletionCandidate};
use clap_complete_nushell::Nushell;

use crate::cli::Shell;
use crate::environment::Environment;
use crate::failure::{ClientFailure, Result};
use crate::names::Names;
use crate::output;

const PROGRAM: &str = "extreg";
/// Variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";
/// Arguments that name extensions.
const REFERENCES: [&str; 5] = ["reference", "references", "names", "from", "to"];

/// Prints the script that tells a shell to ask the program.
pub(crate) fn print(shell: Shell, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    let name = match shell {
        Shell::Nushell => {
            clap_complete::generate(Nushell, &mut command, PROGRAM, &mut script);
            return output::print(&String::from_utf8_lossy(&script));
        }
        Shell::Bash => "bash",
        Shell::Elvish => "elvish",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Zsh => "zsh",
    };
    let failed = || ClientFailure::failed(format!("there are no completions for {name}"));
    let shells = Shells::builtins();
    let completer = shells.completer(name).ok_or_else(failed)?;
    let written = completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script);
    written.map_err(|_| failed())?;
    output::print(&String::from_utf8_lossy(&script))
}

/// Answers a shell that asks for completions. Returns false if none asks. Never prints an error.
pub(crate) fn answer(
    command: &impl Fn() -> Command,
    arguments: &[OsString],
    environment: &Environment,
) -> bool {
    if environment.get(VARIABLE).is_none() {
        return false;
    }
    let names = Names::new(environment.clone());
    let completed = CompleteEnv::with_factory(|| with_names(command(), &names))
        .try_complete(arguments.iter().cloned(), None);
    completed.unwrap_or(true)
}

/// Lets every argument that names extensions complete by the registry.
fn with_names(command: Command, names: &Names) -> Command {
    command.mut_subcommands(|command| {
        // `pull --to` is a directory.
        let is_pull = command.get_name() == "pull";
        command.mut_args(|argument| {
            let id = argument.get_id().as_str();
            if !REFERENCES.contains(&id) || (is_pull && id == "to") {
                return argument;
            }
            let names = names.clone();
            argument.add(ArgValueCompleter::new(move |typed: &OsStr| candidates(&names, typed)))
        })
    })
}

fn candidates(names: &Names, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let found = match typed.split_once('@') {
        Some((name, _)) => {
            names.versions(name).iter().map(|version| format!("{name}@{version}")).collect()
        }
        None => names.all(),
    };
    found.into_iter().filter(|name| name.starts_with(typed)).map(CompletionCandidate::new).collect()
}
