//! The one root of the integration tests.
#![cfg(test)]

mod api;
mod architecture;
mod binary;
mod catalog;
mod commands;
mod configuration;
mod conformance;
mod connections;
mod contracts;
mod deploy;
mod directory;
mod documents;
mod faults;
mod gitea;
mod hostile;
mod layouts;
mod messages;
mod named;
mod oci;
mod outbound;
mod publish;
mod reports;
mod repository;
mod search;
mod serving;
mod snapshot;
mod spelling;
mod store;
mod support;
mod tls;
mod upstreams;
mod zot_storage;
