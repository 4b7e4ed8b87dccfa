//! The command line of the client. [`Invocation`] adds its commands to another program.

pub mod arguments;

use std::path::PathBuf;

use clap::builder::{Resettable, StyledStr};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::cli::arguments::{
    AddArgs, DiffArgs, ExplainArgs, ListArgs, LockArgs, LoginArgs, MirrorArgs, OutdatedArgs,
    PackArgs, PublishArgs, PullArgs, RemoveArgs, ResolveArgs, SearchArgs, ShowArgs, UpdateArgs,
    VerifyArgs, VersionsArgs,
};
use crate::failure::ClientFailure;
use crate::form::{OutputChoice, OutputChoiceParser, OutputForm};

/// Place of the first command in a list of commands of another program.
const AFTER_OTHERS: usize = 100;

/// Find, pull, lock and verify infrastructure extensions of a registry
#[derive(Debug, Parser)]
#[command(name = "extreg", arg_required_else_help = true)]
pub struct Extreg {
    /// Flags of every command
    #[command(flatten)]
    pub options: Options,
    /// What to do
    #[command(subcommand)]
    pub command: ProgramCommand,
}

/// Commands of `extreg`. Another program has completions and manual pages for itself.
#[derive(Clone, Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "a program has one of them")]
pub enum ProgramCommand {
    /// A command of the client
    #[command(flatten)]
    Client(ClientCommand),
    /// Print completions for a shell; they know the names and versions of the registry
    Completions {
        /// Name of the shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of every command
    Man {
        /// Directory for the pages
        directory: Option<PathBuf>,
    },
}

/// Shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash
    Bash,
    /// Elvish
    Elvish,
    /// Fish
    Fish,
    /// Nushell: commands and flags, no names of the registry
    Nushell,
    /// Shell of Windows
    Powershell,
    /// Z shell
    Zsh,
}

/// Flags that every command of the client takes.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
#[expect(clippy::doc_markdown, reason = "help has no Markdown")]
#[command(next_help_heading = "Global options")]
pub struct Options {
    /// Address of the registry, with https:// or http://; default: $EXTENSION_REGISTRY_URL, then
    /// extensions.toml, then client.toml, then port 8082 of this machine
    #[arg(short, long, value_name = "URL", global = true)]
    pub server: Option<String>,

    /// File with the token for the registry; default: $EXTENSION_REGISTRY_TOKEN_FILE, then
    /// $EXTENSION_REGISTRY_TOKEN, then the token of `login`
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,

    /// Form of the output; default: $EXTENSION_REGISTRY_OUTPUT, then table. Of `pack` also the file
    /// to write
    #[arg(short, long, value_name = "FORM", global = true, value_parser = OutputChoiceParser)]
    pub output: Option<OutputChoice>,

    /// Print no messages but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Print each request
    #[arg(short, long, global = true)]
    pub verbose: bool,

    /// Show no progress, even on a terminal
    #[arg(long, global = true)]
    pub no_progress: bool,

    /// Colors
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto")]
    pub color: ColorChoice,

    /// Longest silence of the registry, in seconds
    #[arg(long, value_name = "SECONDS", global = true, default_value = "30",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,

    /// File with certificates (PEM) to trust, in addition to those of the system
    #[arg(long, value_name = "FILE", global = true)]
    pub ca_file: Option<PathBuf>,

    /// Send no request: use files that are there, and the cache
    #[arg(long, global = true)]
    pub offline: bool,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Commands of the client.
#[derive(Clone, Debug, Subcommand)]
pub enum ClientCommand {
    /// List extensions
    List(ListArgs),
    /// Find extensions by words, best matches first
    Search(SearchArgs),
    /// Show one version: description, notes, files, digests and backends
    Show(ShowArgs),
    /// List the versions of an extension, newest first
    Versions(VersionsArgs),
    /// Find the version, digest and source of references, without fetching them
    Resolve(ResolveArgs),
    /// Fetch archives, verified by their digests; without a reference those of extensions.toml
    Pull(PullArgs),
    /// Add extensions to extensions.toml and the lock
    Add(AddArgs),
    /// Remove extensions from extensions.toml and the lock
    Remove(RemoveArgs),
    /// Write the lock of extensions.toml
    Lock(LockArgs),
    /// Move locked versions to the newest within their ranges
    Update(UpdateArgs),
    /// List locked extensions of which newer versions exist
    Outdated(OutdatedArgs),
    /// Compare files and extracted directories with the lock, without a network
    Verify(VerifyArgs),
    /// Compare the files of two versions
    Diff(DiffArgs),
    /// Explain which backend answers for a name, and why
    Explain(ExplainArgs),
    /// Write the archive of a directory: equal files make equal bytes on every machine
    Pack(PackArgs),
    /// Publish a directory or an archive to a registry, Gitea or image layouts
    Publish(PublishArgs),
    /// Copy extensions into a directory of image layouts, for places without a network
    Mirror(MirrorArgs),
    /// Keep a token for the registry
    Login(LoginArgs),
    /// Forget the token for the registry
    Logout,
    /// Show the health of the registry and its backends
    Status,
    /// Meaning of the exit codes
    #[command(hide = true, long_about = include_str!("cli/exit_codes.txt"),
              help_template = "{about}\n")]
    ExitCodes,
    /// Syntax of versions and ranges
    #[command(hide = true, long_about = include_str!("cli/ranges.txt"),
              help_template = "{about}\n")]
    Ranges,
}

/// A command of the client within another program, with the flags after it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Flags of every command.
    pub options: Options,
    /// What to do.
    pub command: ClientCommand,
}

impl Invocation {
    /// Gives a command the flags that mean something else to it: the file of `pack -o FILE`, and the
    /// token of `publish`, which is for the target.
    pub fn with_flags_of_commands(mut self) -> crate::failure::Result<Self> {
        match (&mut self.command, self.options.output.take()) {
            (ClientCommand::Pack(args), Some(OutputChoice::File(file))) => args.file = Some(file),
            (_, Some(OutputChoice::File(word))) => {
                let forms = OutputForm::value_variants().iter();
                let forms = forms.filter_map(ValueEnum::to_possible_value);
                let forms: Vec<String> = forms.map(|form| form.get_name().to_owned()).collect();
                let message = format!("-o {} is no form of output", word.display());
                return Err(ClientFailure::usage(message).hint(format!("use {}", forms.join(", "))));
            }
            (_, form) => self.options.output = form,
        }
        if let ClientCommand::Publish(args) = &mut self.command {
            args.token_file = self.options.token_file.take();
        }
        Ok(self)
    }
}

impl FromArgMatches for Invocation {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Some((_, flags)) = matches.subcommand() else {
            return Err(clap::Error::new(ErrorKind::MissingSubcommand));
        };
        let options = Options::from_arg_matches(flags)?;
        Ok(Self { options, command: ClientCommand::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Invocation {
    fn augment_subcommands(program: clap::Command) -> clap::Command {
        let own = ClientCommand::augment_subcommands(clap::Command::new("client"));
        let commands = own.get_subcommands().cloned().enumerate().map(|(place, command)| {
            let own = |text: Option<&StyledStr>| {
                text.cloned().map_or(Resettable::Reset, Resettable::Value)
            };
            let (about, long_about) = (own(command.get_about()), own(command.get_long_about()));
            // The flags belong to each command: the other program has its own flags. They bring
            // their own text, and commands of both programs would be mixed in lists.
            let command = Options::augment_args(command).about(about).long_about(long_about);
            command.display_order(AFTER_OTHERS + place)
        });
        program.subcommands(commands)
    }

    fn augment_subcommands_for_update(program: clap::Command) -> clap::Command {
        Self::augment_subcommands(program)
    }

    fn has_subcommand(name: &str) -> bool {
        ClientCommand::has_subcommand(name)
    }
}
