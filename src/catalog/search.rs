//! Ranked search over the catalogue: exact name, prefix, keyword, word of the description, near
//! miss; several words must all match, and the best-matching field counts.

use std::sync::Arc;

use crate::catalog::index::Entry;
use crate::models::extension::Extension;

/// Shortest word that may be misspelled once, and twice.
const ONE_EDIT_FROM: usize = 4;
const TWO_EDITS_FROM: usize = 8;

/// What an extension is found by, in lower case.
#[derive(Debug, Default)]
pub struct Words {
    name: String,
    keywords: Vec<String>,
    description: Vec<String>,
}

impl Words {
    /// The words of an extension as its latest release describes it.
    #[must_use]
    pub fn of(extension: &Extension) -> Self {
        let Some(latest) = extension.latest() else {
            return Self::default();
        };
        let about = &latest.about;
        Self {
            name: extension.id().name.as_str().to_lowercase(),
            keywords: about.keywords.iter().map(|word| word.to_lowercase()).collect(),
            description: words(about.description.as_deref().unwrap_or_default()).collect(),
        }
    }

    /// How well one word of a query matches.
    fn rank(&self, word: &str) -> Option<Rank> {
        if self.name == word {
            Some(Rank::ExactName)
        } else if self.name.starts_with(word) {
            Some(Rank::Prefix)
        } else if self.keywords.iter().any(|keyword| keyword == word) {
            Some(Rank::Keyword)
        } else if self.description.iter().any(|other| other == word) {
            Some(Rank::Description)
        } else if is_near(&self.name, word) {
            Some(Rank::NearMiss)
        } else {
            None
        }
    }
}

/// How a word matched, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    ExactName,
    Prefix,
    Keyword,
    Description,
    NearMiss,
}

/// The entries that match every word of the query, best first, ties by id.
#[must_use]
pub fn search<'a>(
    entries: impl Iterator<Item = &'a Arc<Entry>>,
    query: &str,
) -> Vec<&'a Arc<Entry>> {
    let query: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut hits: Vec<(Rank, &Arc<Entry>)> = entries
        .filter_map(|entry| {
            let ranks: Option<Vec<Rank>> =
                query.iter().map(|word| entry.words.rank(word)).collect();
            Some((ranks?.into_iter().min()?, entry))
        })
        .collect();
    hits.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.id().cmp(y.id())));
    hits.into_iter().map(|(_, entry)| entry).collect()
}

/// The words of a text: runs of letters, digits and what names are made of.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | '+'))
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|word| !word.is_empty())
}

/// Whether a word misses a name by a slip of the finger; swapped neighbours count as one edit.
fn is_near(name: &str, word: &str) -> bool {
    let length = word.chars().count();
    let allowed = match length {
        TWO_EDITS_FROM.. => 2,
        ONE_EDIT_FROM.. => 1,
        _ => return false,
    };
    name.chars().count().abs_diff(length) <= allowed && strsim::osa_distance(name, word) <= allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(name: &str, keywords: &[&str], description: &str) -> Words {
        Words {
            name: name.to_owned(),
            keywords: keywords.iter().map(|&word| word.to_owned()).collect(),
            description: words(description).collect(),
        }
    }

    #[test]
    fn words_rank_by_the_field_they_match() {
        let kubernetes =
            words_of("kubernetes", &["orchestration", "k8s"], "Runs containers, with etcd (v3).");
        for (word, expected) in [
            ("kubernetes", Some(Rank::ExactName)),
            ("kube", Some(Rank::Prefix)),
            ("k8s", Some(Rank::Keyword)),
            ("etcd", Some(Rank::Description)),
            ("v3", Some(Rank::Description)),
            ("kuberentes", Some(Rank::NearMiss)),
            ("kubernets", Some(Rank::NearMiss)),
            ("kbrntes", None),
            ("orchestra", None),
            ("container", None),
        ] {
            assert_eq!(kubernetes.rank(word), expected, "{word}");
        }
    }

    #[test]
    fn short_words_must_be_spelled_right() {
        let aws = words_of("aws", &[], "");
        assert_eq!(aws.rank("asw"), None);
        let redis = words_of("redis", &[], "");
        assert_eq!(redis.rank("reids"), Some(Rank::NearMiss));
        assert_eq!(redis.rank("rdsi"), None);
    }
}
