//! Target `extension_manifest`: see `crates/core/src/fuzzed.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| registry_core::fuzzed::extension_manifest(bytes));
