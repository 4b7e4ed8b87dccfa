//! The commands of the client.

mod add;
mod catalog;
mod diff;
mod explain;
mod lock;
mod login;
mod mirror;
mod outdated;
mod pack;
mod project;
mod publish;
mod pull;
mod show;
mod status;
mod verify;
mod versions;

use crate::cli::ClientCommand;
use crate::context::Context;
use crate::failure::Result;
use crate::output::print;

const EXIT_CODES: &str = include_str!("cli/exit_codes.txt");
const RANGES: &str = include_str!("cli/ranges.txt");

/// Runs a command.
pub(crate) async fn run(command: &ClientCommand, context: &Context) -> Result<()> {
    match command {
        ClientCommand::List(args) => catalog::list(args, context).await,
        ClientCommand::Search(args) => catalog::search(args, context).await,
        ClientCommand::Show(args) => show::run(args, context).await,
        ClientCommand::Versions(args) => versions::list(args, context).await,
        ClientCommand::Resolve(args) => versions::resolve(args, context).await,
        ClientCommand::Pull(args) => pull::run(args, context).await,
        ClientCommand::Add(args) => add::add(args, context).await,
        ClientCommand::Remove(args) => add::remove(args, context).await,
        ClientCommand::Lock(args) => lock::lock(args, context).await,
        ClientCommand::Update(args) => lock::update(args, context).await,
        ClientCommand::Outdated(args) => outdated::run(args, context).await,
        ClientCommand::Verify(args) => verify::run(args, context),
        ClientCommand::Diff(args) => diff::run(args, context).await,
        ClientCommand::Explain(args) => explain::run(args, context).await,
        ClientCommand::Pack(args) => pack::run(args, context).await,
        ClientCommand::Publish(args) => publish::run(args, context).await,
        ClientCommand::Mirror(args) => mirror::run(args, context).await,
        ClientCommand::Login(args) => login::login(args, context).await,
        ClientCommand::Logout => login::logout(context),
        ClientCommand::Status => status::run(context).await,
        ClientCommand::ExitCodes => print(EXIT_CODES),
        ClientCommand::Ranges => print(RANGES),
    }
}
