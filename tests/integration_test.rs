//! The integration tests, one binary.

mod oci;
mod support;
