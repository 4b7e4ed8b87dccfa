//! Classifies archives by file name: the extension, a build for one platform, or other content.

/// Rank of an archive name: the higher, the less likely it is the archive of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameMark {
    /// No word in the name speaks against it.
    Plain,
    /// Documentation, examples or a package for another system; used when no better file exists.
    Doubtful,
    /// The name contains a platform or other content: sources, debug symbols, checksums.
    Foreign,
}

// Operating systems and distributions. A version may be attached: `macos14`.
const SYSTEMS: &str = "\
    linux darwin macos macosx osx mac apple ios windows win mingw cygwin msys freebsd \
    openbsd netbsd dragonfly dragonflybsd bsd solaris illumos sunos aix hpux android plan9 \
    haiku ubuntu debian alpine centos rhel fedora opensuse wasi nixos";
// Architectures, to which digits and endings such as `v7`, `64`, `le` and `hf` may be attached.
const ARCHITECTURES: &str = "\
    arm aarch mips mipsisa ppc powerpc riscv sparc loong loongarch wasm armeb thumb hppa \
    parisc microblaze";
// Architectures, ABIs and word sizes that match only as a whole word.
const EXACT: &str = "\
    386 486 586 686 i386 i486 i586 i686 x86 x64 x32 x8664 amd64 ia32 ia64 s390 s390x m68k \
    sh4 gnu glibc musl uclibc gnueabi gnueabihf musleabi musleabihf eabi eabihf msvc gnullvm \
    universal2 32bit 64bit win32 win64 itanium";
// Words of files that lie beside an archive and contain no extension. Match only as a whole word.
const OTHER_CONTENT: &str = "\
    src source sources sourcecode debug dbg dbgsym debuginfo debugsource debugsymbols \
    symbols symbol syms sym pdb pdbs dsym dsyms sbom sboms bom spdx cyclonedx cdx checksum \
    checksums sha256 sha256sum sha256sums sha512 sha512sum sha512sums sha1sums md5 md5sums \
    sums signature signatures sig sigs asc provenance attestation attestations intoto vex";
// Words of files that rarely contain an extension, and may when no better file exists.
const DOUBTFUL: &str = "\
    doc docs documentation manual manuals man manpages apidoc apidocs javadoc example \
    examples sample samples demo demos test tests testdata testsuite coverage bench \
    benchmarks devel headers vendor vendored deps dependencies license licenses licence \
    licences notices changelog completions deb rpm apk msi dmg pkg appimage docker oci image \
    images helm chart charts iso";
// Endings that may follow the name of an architecture or a system, besides digits.
const ATTACHED: &str = "le el be eb hf sf bit n32 v r l gc";

/// Returns the strongest mark of a stem. Words of `own` names and of the version do not count.
#[must_use]
pub fn mark_of(stem: &str, own: &[&str], version: &str) -> NameMark {
    let all = tokens(stem);
    let mut rest: &[Token] = &all;
    // An extension named `linux-docs` must not be marked by its own name, so the longest own name
    // is removed first.
    let names = own.iter().map(|name| tokens(name));
    if let Some(after) = names.filter_map(|name| after(rest, &name)).min_by_key(|after| after.len())
    {
        rest = after;
    }
    let version = tokens(version);
    let at =
        (0..rest.len()).find(|at| after(rest.get(*at..).unwrap_or_default(), &version).is_some());
    let found = at.map(|at| at..at + version.len()).unwrap_or_default();
    let words = rest.iter().enumerate().filter(|(index, _)| !found.contains(index));
    words.map(|(_, token)| token.mark()).max().unwrap_or(NameMark::Plain)
}

/// Returns true for `{name}-{version}` with a name in `own`; `-`, `_` or `.`, any case, maybe `v`.
#[must_use]
pub fn is_named_after(stem: &str, own: &[&str], version: &str) -> bool {
    let (stem, version) = (canonical(stem), canonical(version));
    own.iter().any(|name| {
        let rest = stem.strip_prefix(canonical(name).as_str());
        let rest = rest.and_then(|rest| rest.strip_prefix(['_', '.']));
        rest.is_some_and(|rest| rest == version || rest.strip_prefix('v') == Some(&version))
    })
}

fn canonical(text: &str) -> String {
    let plain = text.replace(|c: char| !c.is_alphanumeric() && c != '.', "_");
    plain.to_ascii_lowercase()
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    of_number: bool,
}

fn tokens(name: &str) -> Vec<Token> {
    let lower = name.to_ascii_lowercase();
    let parts = lower.split(|c: char| !c.is_alphanumeric() && c != '.');
    parts.flat_map(dotted).collect()
}

fn dotted(part: &str) -> Vec<Token> {
    let words: Vec<&str> = part.split('.').filter(|word| !word.is_empty()).collect();
    let tokens = words.iter().enumerate().map(|(at, word)| {
        // In `1.0.386`, 386 is no architecture but a number: a neighbor between the dots decides.
        let beside = [at.checked_sub(1), at.checked_add(1)];
        let mut beside = beside.into_iter().filter_map(|at| words.get(at?));
        let of_number =
            is_number(word) && beside.any(|word| is_number(word.trim_start_matches('v')));
        Token { text: (*word).to_owned(), of_number }
    });
    tokens.collect()
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn after<'a>(words: &'a [Token], name: &[Token]) -> Option<&'a [Token]> {
    // Accepts a `v` before the first word.
    let (begin, rest) = words.split_at_checked(name.len()).filter(|_| !name.is_empty())?;
    let same = begin.iter().zip(name).enumerate().all(|(at, (word, wanted))| {
        word.text == wanted.text
            || (at == 0 && word.text.strip_prefix('v') == Some(wanted.text.as_str()))
    });
    same.then_some(rest)
}

impl Token {
    fn mark(&self) -> NameMark {
        let word = self.text.as_str();
        if self.of_number {
            NameMark::Plain
        } else if has(OTHER_CONTENT, word) || is_platform(word) {
            NameMark::Foreign
        } else if has(DOUBTFUL, word) {
            NameMark::Doubtful
        } else {
            NameMark::Plain
        }
    }
}

fn is_platform(word: &str) -> bool {
    if has(EXACT, word) || is_architecture(word) {
        return true;
    }
    SYSTEMS.split(' ').filter_map(|system| word.strip_prefix(system)).any(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.is_empty() || is_platform(rest)
    })
}

fn is_architecture(word: &str) -> bool {
    // `amd64v3` is `amd64` with a microarchitecture level, so it takes the same endings as a
    // family.
    let mut families = ARCHITECTURES.split(' ').chain(["amd64"]);
    families.any(|family| word.strip_prefix(family).is_some_and(is_attached))
}

fn has(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

fn is_attached(rest: &str) -> bool {
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.is_empty()
        || ATTACHED.split(' ').filter_map(|ending| rest.strip_prefix(ending)).any(is_attached)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(stem: &str) -> NameMark {
        mark_of(stem, &["e_prov", "e"], "1.0.0")
    }

    #[test]
    fn words_are_known_with_what_is_attached_to_them() {
        for foreign in [
            "linux64",
            "Linux_x86-64",
            "win",
            "arm7",
            "armv7l",
            "ppc64el",
            "mips64le",
            "riscv64gc",
            "linuxarm64",
            "macos14",
            "aarch64_be",
            "amd64v3",
            "i686",
            "darwin.arm64",
            "x.386",
            "armhf",
            "sources",
            "SBOM",
            "debug-symbols",
            "windows10",
        ] {
            assert_eq!(mark(&format!("e_prov_1.0.0_{foreign}")), NameMark::Foreign, "{foreign}");
        }
        for plain in [
            "", "final", "armor", "winner", "machine", "mipster", "lean", "alpha", "rc1", "beta.2",
            "bundle", "iosevka", "maccabee", "wonder", "armada",
        ] {
            assert_eq!(mark(&format!("e_prov-1.0.0-{plain}")), NameMark::Plain, "{plain}");
        }
        assert_eq!(mark("docs"), NameMark::Doubtful);
        assert_eq!(mark("e-docs-src"), NameMark::Foreign, "the stronger one counts");
    }

    #[test]
    fn the_extensions_own_words_are_no_marks() {
        assert_eq!(mark_of("linux-tools", &["linux_taskserv", "linux"], "1.0.0"), NameMark::Plain);
        assert_eq!(mark_of("x-1.0.386", &["x"], "1.0.386"), NameMark::Plain);
        assert_eq!(mark_of("x-2.0.386", &["x"], "nightly"), NameMark::Plain);
        assert_eq!(mark_of("x-v1.0.0-linux", &["x"], "1.0.0-linux"), NameMark::Plain);
        assert_eq!(mark_of("linux-linux", &["linux"], "1.0.0"), NameMark::Foreign);
    }

    #[test]
    fn names_after_the_version_are_known_by_any_separator() {
        for good in ["e-1.0.0+b", "e_v1.0.0_b", "E_PROV-1.0.0-b", "e.1.0.0_b"] {
            assert!(is_named_after(good, &["e_prov", "e"], "1.0.0+b"), "{good}");
        }
        for bad in ["e-1.0.0", "e1.0.0_b", "x-1.0.0_b", "e-1.0.0_b-linux", "e"] {
            assert!(!is_named_after(bad, &["e_prov", "e"], "1.0.0+b"), "{bad}");
        }
    }
}
