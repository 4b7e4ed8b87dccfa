//! Target `oci_path`: see `crates/server/src/fuzzed.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| registry_server::fuzzed::oci_path(bytes));
