//! What the program does for those who operate it.

mod build_script;
mod configuration;
mod doctor;
mod first_run;
mod healthcheck;
mod log;
mod metrics;
mod pages;
mod release;
mod startup;
mod sums;
mod supervisor;
mod trace;
