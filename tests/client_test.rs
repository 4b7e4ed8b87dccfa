//! The tests of the command line client: the program, against the service and against servers that
//! misbehave. They are a program of their own, which links less than the tests of the service.
#![cfg(test)]

mod client;
#[allow(dead_code, reason = "the tests of the service use all of it")]
mod support;
