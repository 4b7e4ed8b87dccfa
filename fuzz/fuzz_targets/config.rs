//! Target `config`: see `src/fuzzed.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| extension_registry::fuzzed::config(bytes));
