//! Several processes of the program that share one Redis or Valkey.

mod faults;
mod limits;
mod rig;
mod startup;
