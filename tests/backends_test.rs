//! The tests of the clients of backends. They are a program of their own, so that two processors
//! compile the tests side by side.
#![cfg(test)]

mod conformance;
mod gitea;
mod layout_content;
mod layouts;
mod oci;
mod outbound;
#[allow(dead_code, reason = "the tests of the service use all of it")]
mod support;
mod upstreams;
mod zot_storage;
