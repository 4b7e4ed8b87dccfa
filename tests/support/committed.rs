//! Files that are committed and made of what the program does.

use std::path::Path;

/// Compares a committed file with what the code makes of it now.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no configuration")]
pub fn assert_committed(path: &Path, current: &str) {
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(path, current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let hint = "run the tests with UPDATE_CONTRACTS=1 and commit the change";
    assert!(committed == current, "{} is not current: {hint}", path.display());
}
