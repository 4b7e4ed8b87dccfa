//! Target `disposition`: see `crates/server/src/fuzzed.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| registry_server::fuzzed::disposition(bytes));
