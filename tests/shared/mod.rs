//! Several processes of the program that share one Redis or Valkey.

mod configurations;
mod engine_faults;
mod failovers;
mod faults;
mod fleet;
mod fleet_replica;
mod limits;
mod load;
mod one_reader;
mod pins;
mod rig;
mod startup;
mod topics;
mod writers;
