//! Several processes of the program that share one Redis or Valkey.

mod configurations;
mod faults;
mod limits;
mod pins;
mod rig;
mod startup;
