//! Near misses: names that differ from a word by one or two typing errors.

/// Minimum length in characters of a word that may have one error, and two.
const ONE_EDIT_FROM: usize = 4;
const TWO_EDITS_FROM: usize = 8;

/// Bit set of the letters, digits and marks of a name, and of the letters that occur twice. An edit
/// sets or clears at most one bit, and a substitution one of each, so names whose bits differ more
/// need not be compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letters(u64);

impl Letters {
    pub(super) fn of(text: &str) -> Self {
        Self(text.chars().fold(0, |seen, c| {
            let (once, twice) = bits(c.to_ascii_lowercase());
            if seen & once == 0 { seen | once } else { seen | twice }
        }))
    }
}

/// Returns the bit of a character's first occurrence and the bit of the second one. 64 bits leave
/// none for a second `z`, digit or mark. Characters that names cannot have get none.
const fn bits(c: char) -> (u64, u64) {
    match c {
        'a'..='y' => (1 << (c as u32 - 'a' as u32), 1 << (c as u32 - 'a' as u32 + 39)),
        'z' => (1 << 25, 0),
        '0'..='9' => (1 << (c as u32 - '0' as u32 + 26), 0),
        '-' => (1 << 36, 0),
        '_' => (1 << 37, 0),
        '.' => (1 << 38, 0),
        _ => (0, 0),
    }
}

pub(super) struct NearMisses<'a> {
    word: &'a str,
    letters: Letters,
    length: usize,
    edits: usize,
}

impl<'a> NearMisses<'a> {
    /// Returns `None` if the word is too short for errors.
    pub(super) fn of(word: &'a str) -> Option<Self> {
        let length = word.chars().count();
        let edits = match length {
            TWO_EDITS_FROM.. => 2,
            ONE_EDIT_FROM.. => 1,
            // With shorter words, one edit would match too many unrelated names.
            _ => return None,
        };
        Some(Self { word, letters: Letters::of(word), length, edits })
    }

    /// A cheap test before [`Self::has`]: false if these letters rule out a near miss.
    pub(super) const fn may_have(&self, letters: Letters) -> bool {
        let (mine, theirs) = (self.letters.0, letters.0);
        (mine & !theirs).count_ones() as usize <= self.edits
            && (theirs & !mine).count_ones() as usize <= self.edits
    }

    /// A swap of two neighbors counts as one edit.
    pub(super) fn has(&self, name: &str) -> bool {
        // Names are ASCII, so the length in bytes is the length in characters.
        name.len().abs_diff(self.length) <= self.edits
            && strsim::osa_distance(&name.to_ascii_lowercase(), self.word) <= self.edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(word: &str, name: &str) -> bool {
        NearMisses::of(word).is_some_and(|near| {
            let has = near.has(name);
            assert!(!has || near.may_have(Letters::of(name)), "{word} is near {name}");
            has
        })
    }

    #[test]
    fn long_words_may_be_misspelled() {
        for (word, name, expected) in [
            ("kuberentes", "kubernetes", true),
            ("kubernets", "Kubernetes", true),
            ("kubernts", "kubernetes", true),
            ("kbrntes", "kubernetes", false),
            ("postgrse", "postgres", true),
            ("reids", "redis", true),
            ("rdsi", "redis", false),
            ("rediss", "redis", true),
            ("asw", "aws", false),
            ("aaaaaaab", "aaaaaaaa", true),
            ("zzzz", "zzzzz", true),
            ("0000", "000", true),
            ("rédis", "redis", true),
            ("cert_manager", "cert-manager", true),
        ] {
            assert_eq!(is_near(word, name), expected, "{word} {name}");
        }
    }
}
