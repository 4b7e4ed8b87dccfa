//! Clients of the backends: Gitea, OCI registries and directories of image layouts.

pub mod gitea;
pub mod http;
pub mod local;
pub mod oci;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;
