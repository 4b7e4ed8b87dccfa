//! Target `url_guard`: see `crates/backends/src/fuzzed.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| registry_backends::fuzzed::url_guard(bytes));
