//! The command line.

pub mod pages;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
pub use clap_complete::Shell;

use crate::build_info;

/// One place to find, compare and download extensions kept in Gitea, OCI registries and local
/// image layouts. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "extension-registry", version = build_info::LINE.as_str())]
pub struct Args {
    /// Configuration; unless given: ./config.toml, then /etc/extension-registry/config.toml
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Address to listen on, instead of server.host
    #[arg(long, value_name = "HOST", global = true)]
    pub host: Option<String>,

    /// Port to listen on, instead of server.port; 0 takes a free one
    #[arg(long, value_name = "PORT", global = true)]
    pub port: Option<u16>,

    /// What to log: error, warn, info, debug, trace, or a filter such as
    /// warn,extension_registry::catalog=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,

    /// Log JSON, one object a line
    #[arg(long)]
    pub json_log: bool,

    /// Serve the sample catalog that the binary carries, on 127.0.0.1 unless --host says otherwise
    #[arg(long, conflicts_with = "config")]
    pub demo: bool,

    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look at the configuration
    Config {
        /// What to do with it
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Ask the running service whether it is alive, or with --ready whether it can serve; exit code
    /// 0 if so, else 1
    Healthcheck {
        /// Ask whether it is ready: whether it can answer from any backend, and is not shutting
        /// down
        #[arg(long)]
        ready: bool,
        /// Where it is, such as http://registry:8082; unless given: where this configuration
        /// listens
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Look at everything the service needs, and say how to mend what is wrong; exit code 0 if
    /// all is well, 1 if not, 2 if the configuration is wrong
    Doctor {
        /// How to print what was found
        #[arg(short, long = "output", value_name = "FORM", default_value = "text")]
        output: OutputForm,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of every command
    Man {
        /// Directory to write them to
        directory: Option<PathBuf>,
    },
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OutputForm {
    /// For people
    Text,
    /// For machines
    Json,
}

/// What to do with the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigAction {
    /// Say every problem of the configuration, or that there is none
    Check,
    /// Show the values in force, each with the place it comes from
    Show,
    /// Write a configuration to start from, with every key and what it means
    Init {
        /// File to write, which must not exist; - writes to standard output
        #[arg(default_value = "config.toml")]
        file: PathBuf,
    },
    /// Print the JSON Schema of the configuration file
    Schema,
}
