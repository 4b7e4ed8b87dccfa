//! The one root of the integration tests.
#![cfg(test)]

mod gitea;
mod support;
