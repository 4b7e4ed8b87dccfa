//! Parser for checksum files, in all formats of common tools.

use registry_core::models::digest::Digest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChecksumScope {
    /// A file for one archive. Its only digest is the archive's, regardless of the name beside it.
    Archive,
    List,
}

/// Labels before a digest that name no algorithm.
const LABELS: [&str; 5] = ["", "hash", "checksum", "digest", "algorithm"];
/// Prefixes of algorithm names. Only SHA-256 and SHA-512 are supported.
const ALGORITHMS: [&str; 9] = ["sha", "md5", "md4", "blake", "b2", "b3", "rmd", "ripemd", "sm3"];
const SEPARATORS: [char; 4] = [':', '=', ' ', '\t'];
/// Minimum number of hexadecimal digits in a digest; MD5 has 32.
const HEX_MIN: usize = 32;

struct ChecksumLine<'a> {
    digest: Option<Digest>,
    name: Option<&'a str>,
}

/// Returns an archive's digest, preferably SHA-256. An error is a reason, after the file's name.
pub(super) fn find(
    file: &[u8],
    archive: &str,
    scope: ChecksumScope,
) -> Result<Option<Digest>, &'static str> {
    let text = decode(file).ok_or("is neither UTF-8 nor UTF-16")?;
    let all: Vec<ChecksumLine<'_>> =
        text.split(['\n', '\r']).filter_map(ChecksumLine::of_line).collect();
    let mut ours: Vec<&ChecksumLine<'_>> =
        all.iter().filter(|entry| entry.names(archive)).collect();
    if ours.is_empty()
        && (scope == ChecksumScope::Archive || all.iter().all(|one| one.name.is_none()))
    {
        ours = all.iter().collect();
    }
    match (ours.is_empty(), all.is_empty()) {
        (true, true) => return Err("holds no checksum"),
        (true, false) => return Ok(None),
        (false, _) => {}
    }
    let mut digests: Vec<&Digest> = ours.iter().filter_map(|one| one.digest.as_ref()).collect();
    digests.sort();
    // `Digest` sorts SHA-256 before SHA-512, so that the first one is the preferred one.
    digests.dedup();
    let first = digests.first().ok_or("states no SHA-256 or SHA-512")?;
    match digests.iter().filter(|digest| digest.algorithm() == first.algorithm()).count() {
        1 => Ok(Some((*first).clone())),
        _ => Err("states several digests for one file"),
    }
}

/// Decodes UTF-8 or UTF-16, with or without a byte order mark. PowerShell writes UTF-16.
fn decode(file: &[u8]) -> Option<String> {
    match file {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        // Without a byte order mark, a zero byte beside an ASCII character reveals the byte order.
        [first, 0, ..] if *first != 0 => decode_utf16(file, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => decode_utf16(file, u16::from_be_bytes),
        _ => String::from_utf8(file.to_vec()).ok(),
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let pairs = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
    char::decode_utf16(pairs.map(unit)).collect::<Result<String, _>>().ok()
}

impl<'a> ChecksumLine<'a> {
    /// Parses `{hex} {name}`, `{algorithm} ({name}) = {hex}`, `{name}: {hex}`, or `{hex}` alone.
    fn of_line(line: &'a str) -> Option<Self> {
        // GNU tools mark an escaped name with a leading backslash.
        let line = line.trim().trim_start_matches('\\');
        let (start, end) = digest_in(line)?;
        let (before, hex) = (line.get(..start)?, line.get(start..end)?);
        let before = before.trim_end_matches(SEPARATORS);
        let (label, name) = match (before.split_once('('), before.rsplit_once(SEPARATORS)) {
            (Some((label, rest)), _) if is_label(label) => (label, rest.trim_end_matches(')')),
            _ if is_label(before) => (before, line.get(end..)?),
            (_, Some((name, label))) if is_label(label) => (label, name),
            _ => ("", before),
        };
        let name = bare_name(name.trim_end_matches(SEPARATORS));
        // `sha256sum` writes `-` for its standard input.
        let name = Some(name).filter(|name| !name.is_empty() && *name != "-");
        Some(Self { digest: digest_of(label, hex), name })
    }

    fn names(&self, archive: &str) -> bool {
        self.name == Some(archive)
    }
}

/// Returns the bounds of the digest in a line: at the start if there is one, or else the last.
fn digest_in(line: &str) -> Option<(usize, usize)> {
    let mut found = None;
    let mut at = 0;
    for word in line.split(|c: char| !c.is_ascii_alphanumeric()) {
        let is_digest = word.len() >= HEX_MIN && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digest {
            let before = line.get(..at).unwrap_or_default();
            found = Some((at, at + word.len()));
            if is_label(before.trim_end_matches(SEPARATORS)) {
                return found;
            }
        }
        // A separator may be longer than one byte.
        at += word.len();
        at += line.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    found
}

fn bare_name(text: &str) -> &str {
    let text = text.trim().trim_start_matches('*').trim_matches(['"', '\'', '`']);
    text.rsplit(['/', '\\']).next().unwrap_or_default()
}

fn is_label(text: &str) -> bool {
    let word = plain(text);
    !text.trim().contains(char::is_whitespace)
        && (LABELS.contains(&word.as_str())
            || ALGORITHMS.iter().any(|begin| {
                word.strip_prefix(begin).is_some_and(|rest| rest.len() <= 6 && !text.contains('.'))
            }))
}

fn plain(label: &str) -> String {
    label.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn digest_of(label: &str, hex: &str) -> Option<Digest> {
    let algorithm = match (plain(label).as_str(), hex.len()) {
        ("sha256" | "sha2256", 64) => "sha256",
        ("sha512" | "sha2512", 128) => "sha512",
        (label, 64) if LABELS.contains(&label) => "sha256",
        (label, 128) if LABELS.contains(&label) => "sha512",
        _ => return None,
    };
    format!("{algorithm}:{}", hex.to_ascii_lowercase()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: &str = "x.tar.gz";

    fn hex(digit: &str) -> String {
        digit.repeat(64)
    }

    fn stated(text: &str, scope: ChecksumScope) -> Result<Option<String>, &'static str> {
        let found = find(text.as_bytes(), ARCHIVE, scope)?;
        Ok(found.map(|digest| digest.hex().to_owned()))
    }

    #[test]
    fn lines_of_every_tool_are_read() {
        let (a, b) = (hex("a"), hex("b"));
        let upper = a.to_uppercase();
        for text in [
            format!("{a}  {ARCHIVE}\n"),
            format!("{b}  y.tar.gz\r\n{a} *dist/{ARCHIVE}\r\n"),
            format!("{upper}\t{ARCHIVE}"),
            format!("SHA256 ({ARCHIVE}) = {a}"),
            format!("SHA256 (y.tar.gz) = {b}\nSHA256 (./{ARCHIVE}) = {upper}"),
            format!("SHA2-256({ARCHIVE})= {a}"),
            format!("SHA256({ARCHIVE})= {a}"),
            format!("sha256:{a}  {ARCHIVE}"),
            format!("{ARCHIVE}: {a}"),
            format!("{ARCHIVE} = sha256:{a}"),
            format!("\"{ARCHIVE}\" {a}"),
            format!("SHA256  {upper}  C:\\build\\{ARCHIVE}"),
            format!("# a list\n\n{a}  {ARCHIVE}  \n{b}  y"),
            format!("MD5 ({ARCHIVE}) = {}\nSHA256 ({ARCHIVE}) = {a}", "c".repeat(32)),
            format!("{b}  x.tar\n{a}  {ARCHIVE}"),
            format!("{a}  -"),
        ] {
            assert_eq!(stated(&text, ChecksumScope::List), Ok(Some(a.clone())), "{text}");
        }
    }

    #[test]
    fn a_file_of_one_archive_may_name_it_otherwise_or_not_at_all() {
        let a = hex("a");
        for text in [
            a.clone(),
            format!("SHA256:{a}\n"),
            format!("{a}  build/out.tgz\n"),
            format!(
                "Algorithm : SHA256\r\nHash      : {}\r\nPath      : C:\\out.tgz",
                a.to_uppercase()
            ),
            format!("{ARCHIVE}-{}: {a}", "0".repeat(40)),
        ] {
            assert_eq!(stated(&text, ChecksumScope::Archive), Ok(Some(a.clone())), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_says_why() {
        let (a, b) = (hex("a"), hex("b"));
        for (text, scope, why) in [
            (String::new(), ChecksumScope::Archive, "holds no checksum"),
            ("<html>".to_owned(), ChecksumScope::List, "holds no checksum"),
            (format!("12  {ARCHIVE}"), ChecksumScope::List, "holds no checksum"),
            (
                format!("{}  {ARCHIVE}", "c".repeat(32)),
                ChecksumScope::List,
                "states no SHA-256 or SHA-512",
            ),
            (
                format!("BLAKE2b-256 ({ARCHIVE}) = {a}"),
                ChecksumScope::List,
                "states no SHA-256 or SHA-512",
            ),
            (
                format!("SHA3-256 ({ARCHIVE}) = {a}"),
                ChecksumScope::Archive,
                "states no SHA-256 or SHA-512",
            ),
            (
                format!("{a}  {ARCHIVE}\n{b}  {ARCHIVE}"),
                ChecksumScope::List,
                "states several digests for one file",
            ),
            (format!("{a}\n{b}"), ChecksumScope::Archive, "states several digests for one file"),
        ] {
            assert_eq!(stated(&text, scope), Err(why), "{text}");
        }
        assert_eq!(
            find(&[0xff, 0xfe, 0x00, 0xd8], ARCHIVE, ChecksumScope::List),
            Err("is neither UTF-8 nor UTF-16")
        );
        assert_eq!(
            find(&[0xc3, 0x28], ARCHIVE, ChecksumScope::List),
            Err("is neither UTF-8 nor UTF-16")
        );
        assert_eq!(stated(&format!("{b}  y.tar.gz"), ChecksumScope::List), Ok(None));
    }
}
