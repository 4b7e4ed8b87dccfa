//! Estimated memory use of extensions; `scripts/bench scale` holds it to a factor of 1.5.

use std::collections::HashSet;
use std::ptr;
use std::sync::Arc;

use crate::models::artifact::{Artifact, ArtifactChoice};
use crate::models::digest::Digest;
use crate::models::extension::{About, Extension, Release, ReleaseVersion};
use crate::models::fault::ExtensionFault;

const STEP: usize = 16;
const COUNTERS: usize = 2 * size_of::<usize>();
// Overhead per extension, in bytes: catalog, lists and their rows, owner table, search index of the
// name.
const BESIDE: usize = 864;
// Bytes of search index per byte of indexed text: words and positions.
const SEARCHED: usize = 2;

impl Extension {
    /// Estimates the memory use in a catalog, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        // Releases share equal metadata, so each allocation is counted once.
        let mut abouts: HashSet<*const About> = HashSet::new();
        let releases = self.all_releases().map(|release| {
            let first = abouts.insert(Arc::as_ptr(&release.about));
            let about = if first { about(&release.about) } else { 0 };
            size_of::<Arc<Release>>() + release.bare_weight() + about
        });
        let releases: usize = releases.sum();
        let faults = self
            .faults()
            .iter()
            .map(|fault| size_of::<ExtensionFault>() + heap(fault.reason.len()));
        let searched = self.latest().map_or(0, |latest| searched(&latest.about));
        let name = shared(self.id().name.as_str().len());
        BESIDE + shared(size_of::<Self>()) + name + releases + faults.sum::<usize>() + searched
    }
}

impl Release {
    /// Estimates the memory use of a single release with its metadata, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.bare_weight() + about(&self.about)
    }

    /// Like [`Release::weight`] without the metadata, which most releases of an extension share.
    #[must_use]
    pub fn bare_weight(&self) -> usize {
        shared(size_of::<Self>()) + inside(self)
    }
}

impl About {
    /// Estimates the memory use, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        about(self)
    }
}

fn searched(about: &About) -> usize {
    let keywords: usize = about.keywords.iter().map(|keyword| keyword.len()).sum();
    SEARCHED * (text(about.description.as_deref()) + keywords)
}

fn about(about: &About) -> usize {
    let texts = [&about.description, &about.author, &about.repository, &about.license];
    let texts: usize = texts.map(|one| text(one.as_deref())).into_iter().sum();
    let keywords = about.keywords.iter().map(|word| size_of::<Box<str>>() + heap(word.len()));
    shared(size_of::<About>()) + texts + keywords.sum::<usize>()
}

fn inside(release: &Release) -> usize {
    let archive = match &release.artifact {
        ArtifactChoice::Chosen(archive) if is_asset(release, archive) => 0,
        ArtifactChoice::Chosen(archive) => artifact(archive),
        ArtifactChoice::Ambiguous(names) => {
            names.iter().map(|name| size_of::<String>() + heap(name.len())).sum()
        }
        ArtifactChoice::Unread | ArtifactChoice::Nothing => 0,
    };
    let assets = release.assets.iter().map(|asset| size_of::<Arc<Artifact>>() + artifact(asset));
    let change = release.change.as_ref().map_or(0, |change| {
        heap(size_of_val(&**change)) + digest(Some(&change.first)) + digest(change.now.as_ref())
    });
    let notes = release.notes.as_ref().map_or(0, |notes| shared(notes.len()));
    heap(release.tag.as_str().len())
        + version(&release.version)
        + archive
        + assets.sum::<usize>()
        + digest(release.manifest_digest.as_ref())
        + change
        + notes
}

fn is_asset(release: &Release, archive: &Arc<Artifact>) -> bool {
    release.assets.iter().any(|asset| ptr::eq(Arc::as_ptr(asset), Arc::as_ptr(archive)))
}

fn version(version: &ReleaseVersion) -> usize {
    // Text, pre-release and build metadata, which are stored again.
    let text = version.as_str();
    let behind = text.find(['-', '+']).map_or(0, |at| text.len() - at);
    heap(text.len()) + heap(behind)
}

fn artifact(artifact: &Artifact) -> usize {
    let Artifact { key, file_name, url, digest: of, .. } = artifact;
    let texts = heap(key.as_str().len()) + heap(file_name.len()) + text(url.as_deref());
    shared(size_of::<Artifact>()) + texts + digest(of.as_ref())
}

fn digest(digest: Option<&Digest>) -> usize {
    digest.map_or(0, |digest| heap(digest.hex().len()))
}

fn text(text: Option<&str>) -> usize {
    text.map_or(0, |text| heap(text.len()))
}

const fn shared(bytes: usize) -> usize {
    heap(COUNTERS + bytes)
}

const fn heap(bytes: usize) -> usize {
    bytes.next_multiple_of(STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::artifact::ArtifactKey;
    use crate::models::backend_id::BackendId;
    use crate::models::naming::ExtensionId;

    const MUCH: usize = 100_000;

    fn weight(releases: Vec<Release>) -> usize {
        let id = ExtensionId::from_oci_repository("x-provider").unwrap();
        Extension::new(id, releases).weight()
    }

    fn release(tag: &str) -> Release {
        Release {
            artifact: ArtifactChoice::Unread,
            ..Release::of_tag(BackendId::OCI, tag.parse().unwrap())
        }
    }

    fn file(name: &str) -> Arc<Artifact> {
        Arc::new(Artifact {
            key: ArtifactKey::new("k"),
            file_name: name.into(),
            size: 1,
            digest: None,
            url: None,
        })
    }

    #[test]
    fn whatever_a_backend_can_make_long_is_weighed() {
        let bare = weight(vec![release("1.0.0")]);
        let long = "x".repeat(MUCH);
        let said = |about: About| Release { about: Arc::new(about), ..release("1.0.0") };
        let text = || Some(Box::from(long.as_str()));
        let heavy = [
            said(About { description: text(), ..About::default() }),
            said(About { author: text(), ..About::default() }),
            said(About { repository: text(), ..About::default() }),
            said(About { license: text(), ..About::default() }),
            said(About { keywords: [long.as_str().into()].into(), ..About::default() }),
            Release { assets: [file(&long)].into(), ..release("1.0.0") },
            Release { artifact: ArtifactChoice::Chosen(file(&long)), ..release("1.0.0") },
            Release { artifact: ArtifactChoice::Ambiguous(vec![long.clone()]), ..release("1.0.0") },
        ];
        for (number, one) in heavy.into_iter().enumerate() {
            assert!(weight(vec![one]) >= bare + MUCH, "{number}");
        }
        let id = ExtensionId::from_oci_repository("x-provider").unwrap();
        let faulty = Extension::new(id, vec![release("1.0.0")]);
        let faults = vec![ExtensionFault::of_repository("x".repeat(400)); 20];
        assert!(faulty.with_faults(faults).weight() >= bare + 20 * 400);
    }

    #[test]
    fn many_releases_weigh_what_one_does_each_and_what_is_shared_weighs_once() {
        let releases = |number: usize| -> Vec<Release> {
            (0..number).map(|minor| release(&format!("1.{minor}.0"))).collect()
        };
        let each = (weight(releases(1001)) - weight(releases(1))) / 1000;
        assert!((size_of::<Release>()..size_of::<Release>() + 400).contains(&each), "{each}");
        let about =
            Arc::new(About { description: Some("x".repeat(MUCH).into()), ..About::default() });
        let says_the_same = |release| Release { about: Arc::clone(&about), ..release };
        let shared = weight(releases(10).into_iter().map(says_the_same).collect());
        assert!(shared < weight(releases(10)) + 4 * MUCH, "{shared}");
        let archive = file(&"x".repeat(MUCH));
        let both = Release {
            assets: [Arc::clone(&archive)].into(),
            artifact: ArtifactChoice::Chosen(archive),
            ..release("1.0.0")
        };
        assert!(weight(vec![both]) < weight(releases(1)) + 2 * MUCH);
    }
}
