//! Programs that tests run and cargo does not build.

use std::path::{Path, PathBuf};

/// Where scripts/test installs what Debian does not have.
pub fn installed_by_us(program: &str) -> PathBuf {
    let told = std::env::vars().find(|(name, _)| name == "CARGO_TOOLS");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let tools = told.map_or_else(|| target.join("tools"), |(_, tools)| tools.into());
    tools.join("bin").join(program)
}

/// Whether a program is there; prints why a test does nothing if not, and fails under `CI=true`.
pub fn is_installed(program: impl AsRef<Path>) -> bool {
    let program = program.as_ref();
    let there = program.exists();
    if !there {
        println!("{} is not installed: this part of the test did not run", program.display());
        let ci = std::env::vars().any(|(name, value)| name == "CI" && value == "true");
        assert!(!ci, "{} must be installed where CI=true", program.display());
    }
    there
}
