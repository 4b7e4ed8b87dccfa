//! Several processes of the program that share one Redis or Valkey.

mod configurations;
mod digests;
mod engine_faults;
mod failovers;
mod faults;
mod fleet;
mod fleet_replica;
mod holds;
mod limits;
mod load;
mod one_reader;
mod pins;
mod rig;
mod startup;
mod topics;
mod webhooks;
mod writers;
