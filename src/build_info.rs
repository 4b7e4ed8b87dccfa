//! Build metadata of the program: version, commit and date, as determined by `build.rs`.

use std::sync::LazyLock;

use jiff::Timestamp;

/// Version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit of a release build; `None` for a development build, or from source without a repository.
pub const COMMIT: Option<&str> = option_env!("BUILD_COMMIT");

/// Time of the commit, or `SOURCE_DATE_EPOCH`, in seconds since 1970.
const DATE: Option<&str> = option_env!("BUILD_DATE");
/// Length of a displayed commit, in characters.
const SHORT: usize = 12;

/// Version, commit and date in one line, as far as they are known.
pub static LINE: LazyLock<String> = LazyLock::new(|| line(VERSION, COMMIT, DATE));

/// Returns the first digits of the commit, if known.
#[must_use]
pub fn short_commit() -> Option<&'static str> {
    COMMIT.map(|commit| commit.get(..SHORT).unwrap_or(commit))
}

fn line(version: &str, commit: Option<&str>, date: Option<&str>) -> String {
    let commit = commit.map(|commit| commit.get(..SHORT).unwrap_or(commit).to_owned());
    let date = date
        .and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok())
        .map(|date| date.strftime("%Y-%m-%d").to_string());
    let known: Vec<String> = [commit, date].into_iter().flatten().collect();
    if known.is_empty() { version.to_owned() } else { format!("{version} ({})", known.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_version_says_as_much_as_is_known() {
        let commit = Some("0123456789abcdef0123456789abcdef01234567");
        for (commit, date, expected) in [
            (commit, Some("1700000000"), "1.2.3 (0123456789ab 2023-11-14)"),
            (Some("v1"), None, "1.2.3 (v1)"),
            (None, Some("0"), "1.2.3 (1970-01-01)"),
            (None, Some("soon"), "1.2.3"),
            (None, None, "1.2.3"),
        ] {
            assert_eq!(line("1.2.3", commit, date), expected);
        }
    }
}
