//! What the program does for those who operate it.

mod build_script;
mod configuration;
mod healthcheck;
mod pages;
mod supervisor;
