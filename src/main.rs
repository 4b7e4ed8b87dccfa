//! Arguments become a command; its failure becomes a message and an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use extension_registry::args::{Args, Command, ConfigAction};
use extension_registry::config::{Config, Sources, load};
use extension_registry::{service, telemetry};

/// The configuration, or what was typed, is wrong.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let sources = Sources {
        file: args.config.as_deref(),
        environment: environment.collect(),
        flags: args.overrides(),
        demo: args.demo,
    };
    match load(&sources) {
        Ok(config) => execute(&args, config),
        Err(problems) => fail(MISUSED, problems),
    }
}

fn execute(args: &Args, config: Config) -> ExitCode {
    if let Some(Command::Config { action: ConfigAction::Check }) = args.command {
        return check(&config);
    }
    if let Err(error) = telemetry::init(&args.log_level, args.json_log) {
        return fail(MISUSED, format!("--log-level: {error}"));
    }
    match service::run(config, args.demo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, error),
    }
}

fn check(config: &Config) -> ExitCode {
    if let Err(error) = service::check(config) {
        return fail(MISUSED, error);
    }
    match writeln!(io::stdout(), "the configuration is valid") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, error),
    }
}

fn fail(code: u8, error: impl std::fmt::Display) -> ExitCode {
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::from(code)
}
