//! The command line.

pub mod pages;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
pub use clap_complete::Shell;

use crate::build_info;

const LOG_LEVEL: &str = "info";

/// One service to find, compare and download extensions kept in Gitea, OCI registries and local
/// image layouts. Serves if no command is given.
#[derive(Debug, Parser)]
#[command(name = "extension-registry", version = build_info::LINE.as_str())]
pub struct Args {
    /// Configuration file; default: ./config.toml, then /etc/extension-registry/config.toml
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Address to listen on, instead of server.host
    #[arg(long, value_name = "HOST", global = true)]
    pub host: Option<String>,

    /// Port to listen on, instead of server.port; 0 takes a free one
    #[arg(long, value_name = "PORT", global = true)]
    pub port: Option<u16>,

    /// Log level: error, warn, info, debug, trace, or a filter such as
    /// warn,extension_registry::catalog=debug
    #[expect(clippy::doc_markdown, reason = "help shows the text as it is written")]
    #[arg(long, value_name = "LEVEL", default_value = LOG_LEVEL)]
    pub log_level: String,

    /// Log JSON, one object per line
    #[arg(long)]
    pub json_log: bool,

    /// Serve the sample catalog in the binary, on 127.0.0.1 unless --host is given
    #[arg(long, conflicts_with = "config")]
    pub demo: bool,

    /// Command to run instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Commands other than serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work with the configuration
    Config {
        /// Action on the configuration
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Check that the running service is alive, or with --ready that it can serve; exit code 0 if
    /// so, else 1
    Healthcheck {
        /// Check for readiness: the service can serve from any backend and is not shutting down
        #[arg(long)]
        ready: bool,
        /// URL of the service, such as http://registry:8082; default: the address in the
        /// configuration
        #[expect(clippy::doc_markdown, reason = "help shows the text as it is written")]
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Check everything the service needs, and suggest fixes; exit code 0 if all is well, 1 if not,
    /// 2 if the configuration is wrong
    Doctor {
        /// Format of the report
        #[arg(short, long = "output", value_name = "FORM", default_value = "text")]
        output: OutputForm,
    },
    /// Print completions for a shell
    Completions {
        /// Name of the shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of every command
    Man {
        /// Directory for the pages
        directory: Option<PathBuf>,
    },
    /// A command for users of a registry
    #[cfg(feature = "cli")]
    #[command(flatten)]
    Client(Box<registry_client::cli::Invocation>),
}

impl Args {
    /// Returns the first flag that belongs to the service, and to no command for users.
    #[must_use]
    pub fn flag_of_service(&self) -> Option<&'static str> {
        let flags = [
            (self.config.is_some(), "--config"),
            (self.host.is_some(), "--host"),
            (self.port.is_some(), "--port"),
            (self.log_level != LOG_LEVEL, "--log-level"),
            (self.json_log, "--json-log"),
            (self.demo, "--demo"),
        ];
        flags.into_iter().find_map(|(is_given, flag)| is_given.then_some(flag))
    }
}

/// Returns the variables of the environment. Those that are not UTF-8 are skipped: they belong to
/// others.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    let text = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.collect()
}

/// Format of a report.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OutputForm {
    /// Text for people
    Text,
    /// JSON for programs
    Json,
}

/// Actions on the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigAction {
    /// Print all problems of the configuration, or that it is valid
    Check,
    /// Show the values in force and the source of each
    Show,
    /// Write an initial configuration with every key and its meaning
    Init {
        /// File to write, which must not exist; - writes to standard output
        #[arg(default_value = "config.toml")]
        file: PathBuf,
    },
    /// Print the JSON Schema of the configuration file
    Schema,
}
