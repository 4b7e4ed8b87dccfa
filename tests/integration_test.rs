//! The one root of the integration tests.
#![cfg(test)]

mod oci;
mod support;
