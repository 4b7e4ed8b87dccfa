//! The commands of the client.

mod add;
mod catalog;
mod diff;
mod explain;
mod lock;
mod login;
mod outdated;
mod project;
mod pull;
mod show;
mod status;
mod verify;
mod versions;

use crate::cli::Command;
use crate::context::Context;
use crate::failure::Result;
use crate::output::print;

const EXIT_CODES: &str = include_str!("cli/exit_codes.txt");
const RANGES: &str = include_str!("cli/ranges.txt");

/// Runs a command.
pub(crate) async fn run(command: &Command, context: &Context) -> Result<()> {
    match command {
        Command::List(args) => catalog::list(args, context).await,
        Command::Search(args) => catalog::search(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::Versions(args) => versions::list(args, context).await,
        Command::Resolve(args) => versions::resolve(args, context).await,
        Command::Pull(args) => pull::run(args, context).await,
        Command::Add(args) => add::add(args, context).await,
        Command::Remove(args) => add::remove(args, context).await,
        Command::Lock(args) => lock::lock(args, context).await,
        Command::Update(args) => lock::update(args, context).await,
        Command::Outdated(args) => outdated::run(args, context).await,
        Command::Verify(args) => verify::run(args, context),
        Command::Diff(args) => diff::run(args, context).await,
        Command::Explain(args) => explain::run(args, context).await,
        Command::Login(args) => login::login(args, context).await,
        Command::Logout => login::logout(context),
        Command::Status => status::run(context).await,
        Command::ExitCodes => print(EXIT_CODES),
        Command::Ranges => print(RANGES),
    }
}
