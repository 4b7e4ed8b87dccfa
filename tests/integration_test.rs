//! The tests of the service and of its command line.
#![cfg(test)]

mod api;
mod architecture;
mod binary;
mod bucket;
mod catalog;
mod commands;
mod configuration;
mod connections;
mod contracts;
mod deploy;
mod directory;
mod documents;
mod faults;
mod hostile;
mod messages;
mod named;
mod oci_service;
mod pages;
mod publish;
mod pull;
mod reports;
mod repository;
mod search;
mod serving;
mod shared;
mod snapshot;
mod spelling;
mod store;
mod support;
mod tls;
