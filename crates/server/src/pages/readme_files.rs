//! Files of an archive that a README refers to by relative addresses.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use registry_archives::{ArchiveIndex, Entry, Kind};
use registry_core::models::readme::rank_of;
use registry_web::links::extension::version::VersionLinks;

/// Endings of pictures that are served with their type. SVG is served as text.
const PICTURES: [&str; 5] = [".png", ".jpg", ".jpeg", ".gif", ".webp"];

/// Files of an archive, as addresses of its README name them.
pub struct ReadmeFiles<'a> {
    entries: HashMap<&'a str, &'a Entry>,
    /// Directory of the README; empty for the root.
    directory: &'a str,
    links: VersionLinks<'a>,
    /// True if the archive is at hand, so that a picture is shown without a download.
    shows_pictures: bool,
}

impl<'a> ReadmeFiles<'a> {
    /// Creates the files of an archive.
    #[must_use]
    pub fn new(index: &'a ArchiveIndex, links: VersionLinks<'a>, shows_pictures: bool) -> Self {
        let entries = index.entries.iter().filter(|entry| entry.kind == Kind::File);
        let entries: HashMap<&str, &Entry> = entries.map(|entry| (&*entry.path, entry)).collect();
        let readmes = entries.keys().filter_map(|path| {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            Some((directory.split('/').count(), rank_of(name)?, directory))
        });
        let directory = readmes.min().map(|(_, _, directory)| directory);
        let directory = directory.or_else(|| index.top_directory()).unwrap_or_default();
        Self { entries, directory, links, shows_pictures }
    }

    /// Returns the address of the page of a file; `None` if the archive lacks it.
    #[must_use]
    pub fn page(&self, address: &str) -> Option<String> {
        self.find(address).map(|path| self.links.file(path))
    }

    /// Returns the address of the bytes of a picture; `None` if it is not shown.
    #[must_use]
    pub fn picture(&self, address: &str) -> Option<String> {
        let path = self.find(address).filter(|_| self.shows_pictures)?;
        let name = path.to_ascii_lowercase();
        PICTURES.iter().any(|ending| name.ends_with(ending)).then(|| self.links.raw(path))
    }

    /// Resolves an address that is relative to the README. A leading slash is the directory of the
    /// README, as the root of its repository.
    fn find(&self, address: &str) -> Option<&'a str> {
        let path = address.split(['?', '#']).next().unwrap_or_default();
        let path = percent_decode_str(path).decode_utf8().ok()?;
        if path.starts_with("//") {
            return None;
        }
        let mut segments: Vec<&str> = self.directory.split('/').collect();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()?),
                segment => segments.push(segment),
            }
        }
        let wanted = segments.iter().filter(|segment| !segment.is_empty()).copied();
        let wanted = wanted.collect::<Vec<&str>>().join("/");
        self.entries.get(&*wanted).map(|entry| &*entry.path)
    }
}
