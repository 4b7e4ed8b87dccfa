//! The command line client.

mod bad_servers;
mod ci;
mod completions;
mod connections;
mod end_to_end;
mod examples;
mod fake;
mod find;
mod gitea;
mod hostile;
mod kills;
mod lock;
mod login;
mod mirror;
mod publish;
mod publish_oci;
mod pull;
mod push_registry;
mod rig;
mod tutorial;
mod usage;
