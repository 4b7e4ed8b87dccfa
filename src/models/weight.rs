//! What parts of the domain take in memory, estimated in bytes, so that it can be bounded.

use crate::models::artifact::{Artifact, ArtifactChoice};
use crate::models::extension::{About, Release};

/// What an allocation takes beside what was asked for, and what counts it.
const ALLOCATION: usize = 32;

fn text(text: &str) -> usize {
    text.len() + ALLOCATION
}

impl Artifact {
    /// Estimated bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts = text(self.key.as_str()) + text(&self.file_name);
        let url = self.url.as_deref().map_or(0, text);
        let digest = self.digest.as_ref().map_or(0, |digest| text(digest.hex()));
        size_of::<Self>() + ALLOCATION + texts + url + digest
    }
}

impl About {
    /// Estimated bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts = [&self.description, &self.author, &self.repository, &self.license];
        let texts: usize = texts.into_iter().flatten().map(|one| text(one)).sum();
        let keywords: usize =
            self.keywords.iter().map(|one| text(one) + size_of::<Box<str>>()).sum();
        size_of::<Self>() + ALLOCATION + texts + keywords
    }
}

impl Release {
    /// Estimated bytes, without what it shares with others.
    #[must_use]
    pub fn weight(&self) -> usize {
        let names = 2 * text(self.tag.as_str()) + text(self.version.as_str());
        let digest = self.manifest_digest.as_ref().map_or(0, |digest| text(digest.hex()));
        let files: usize = self.assets.iter().map(|file| file.weight() + size_of::<usize>()).sum();
        let archive = match &self.artifact {
            ArtifactChoice::Chosen(archive) if self.assets.is_empty() => archive.weight(),
            ArtifactChoice::Ambiguous(names) => names.iter().map(|name| text(name)).sum(),
            _ => 0,
        };
        let notes = self.notes.as_deref().map_or(0, text);
        size_of::<Self>() + ALLOCATION + names + digest + files + archive + notes
    }
}
