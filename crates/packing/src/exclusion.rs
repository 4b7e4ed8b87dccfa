//! Files that are left out of an archive.

/// The text is no pattern. The message is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pattern {0:?} of exclude is not a path below the directory: use names, *, ? and **, joined by /"
)]
pub struct InvalidPattern(String);

/// Patterns of the sheet, and the files that are always left out: `.git` and `*.part-*`.
///
/// `*` and `?` match within a name, `**` any number of directories. A pattern without a slash
/// matches at every depth, others from the root. A directory that matches is left out whole.
#[derive(Clone, Debug, Default)]
pub struct Exclusions {
    patterns: Vec<Pattern>,
    paths: Vec<String>,
}

#[derive(Clone, Debug)]
struct Pattern {
    names: Vec<String>,
    only_directories: bool,
}

impl Exclusions {
    /// Parses the patterns of a sheet.
    pub fn parse(patterns: &[String]) -> Result<Self, InvalidPattern> {
        let patterns =
            patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { patterns, paths: Vec::new() })
    }

    /// Leaves out the file at this path too.
    #[must_use]
    pub fn and_path(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }

    pub(crate) fn excludes(&self, path: &str, is_directory: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        name == ".git"
            || name.contains(".part-")
            || self.paths.iter().any(|excluded| excluded == path)
            || self.patterns.iter().any(|pattern| pattern.matches(path, is_directory))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = || InvalidPattern(text.to_owned());
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let anchored = trimmed.strip_prefix('/').unwrap_or(trimmed);
        let mut names: Vec<String> = anchored.split('/').map(ToOwned::to_owned).collect();
        let is_path = names.iter().all(|name| !matches!(name.as_str(), "" | "." | ".."));
        if !is_path || anchored.contains('\\') || anchored.chars().any(char::is_control) {
            return Err(invalid());
        }
        if !trimmed.contains('/') {
            names.insert(0, "**".to_owned());
        }
        Ok(Self { names, only_directories: text.ends_with('/') })
    }

    fn matches(&self, path: &str, is_directory: bool) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        (is_directory || !self.only_directories)
            && wildcard(
                &self.names,
                &names,
                |pattern| pattern == "**",
                |pattern, name| {
                    let (pattern, name): (Vec<char>, Vec<char>) =
                        (pattern.chars().collect(), name.chars().collect());
                    wildcard(
                        &pattern,
                        &name,
                        |one| *one == '*',
                        |one, other| *one == '?' || one == other,
                    )
                },
            )
    }
}

/// Matches a sequence against a pattern in which some elements stand for any number of others. Takes
/// at most the product of both lengths.
fn wildcard<P, T>(
    pattern: &[P],
    sequence: &[T],
    is_any: impl Fn(&P) -> bool,
    matches: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut next) = (0, 0);
    // Where the last element for any number stands, and how much of the sequence it has taken.
    let mut back: Option<(usize, usize)> = None;
    while let Some(element) = sequence.get(next) {
        match pattern.get(at) {
            Some(any) if is_any(any) => {
                back = Some((at, next));
                at += 1;
            }
            Some(one) if matches(one, element) => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((any, taken)) = back else { return false };
                back = Some((any, taken + 1));
                at = any + 1;
                next = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(is_any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(pattern: &str, path: &str, is_directory: bool) -> bool {
        Exclusions::parse(&[pattern.to_owned()]).unwrap().excludes(path, is_directory)
    }

    #[test]
    fn patterns_match_names_and_paths() {
        for (pattern, path, expected) in [
            ("*.log", "a.log", true),
            ("*.log", "x/y/a.log", true),
            ("*.log", "a.log.txt", false),
            ("/*.log", "a.log", true),
            ("/*.log", "x/a.log", false),
            ("x/*.log", "x/a.log", true),
            ("x/*.log", "y/x/a.log", false),
            ("x/**/b", "x/b", true),
            ("x/**/b", "x/1/2/b", true),
            ("x/**", "x/1/2", true),
            ("**/b?", "a/b1", true),
            ("**/b?", "a/b", false),
            ("ä?", "äö", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("build", "build", true),
            ("build/", "build", false),
        ] {
            assert_eq!(excludes(pattern, path, false), expected, "{pattern} on {path}");
        }
        assert!(excludes("build/", "a/build", true));
    }

    #[test]
    fn some_files_are_always_left_out() {
        let none = Exclusions::default().and_path("x-1.tar.gz");
        for (path, expected) in [
            (".git", true),
            ("sub/.git", true),
            (".gitignore", false),
            ("a/.x.tar.gz.part-12ab", true),
            ("x-1.tar.gz", true),
            ("a/x-1.tar.gz", false),
        ] {
            assert_eq!(none.excludes(path, false), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_below_the_directory_is_refused() {
        for bad in ["", "/", "..", "a/../b", "./a", "a//b", "a\\b", "a\nb"] {
            assert!(Exclusions::parse(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }
}
