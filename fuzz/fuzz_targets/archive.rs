//! Target `archive`: see `crates/archives/src/fuzzed.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| registry_archives::fuzzed::archive(bytes));
