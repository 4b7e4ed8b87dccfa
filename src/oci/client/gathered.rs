//! What is kept of a listing while it is walked through.

use crate::http::room::Room;
use crate::models::tag::Tag;
use crate::oci::newest::keep_newest;
use crate::oci::unlisted::Unfit;

/// Bytes that wanted names may take here, each with [`NAME_COST`]: some 150,000 names.
const NAMES_MAX: usize = 16 * 1024 * 1024;
/// What a name takes beside its letters.
const NAME_COST: usize = 64;
/// Tags of one repository that are kept, the newest of more.
const TAGS_MAX: usize = 10_000;
/// Tags of one repository that are looked at.
const TAGS_SEEN_MAX: usize = 200_000;
/// The same while many lists are read at once.
const TAGS_LITTLE: usize = 500;

/// Names as they come; one may come twice.
pub(super) enum Gathered<'a> {
    /// Those that are wanted.
    Wanted { is_wanted: &'a (dyn Fn(&str) -> bool + Sync), names: Vec<String>, weight: usize },
    /// Those that can be tags here, the newest of them.
    Tags { tags: Vec<Tag>, seen: usize, older: usize, unfit: Unfit },
}

impl<'a> Gathered<'a> {
    pub(super) const fn wanted(is_wanted: &'a (dyn Fn(&str) -> bool + Sync)) -> Self {
        Self::Wanted { is_wanted, names: Vec::new(), weight: 0 }
    }

    pub(super) fn tags() -> Self {
        Self::Tags { tags: Vec::new(), seen: 0, older: 0, unfit: Unfit::default() }
    }

    pub(super) fn take(&mut self, name: &str) {
        match self {
            Self::Wanted { is_wanted, names, weight } => {
                if *weight <= NAMES_MAX && is_wanted(name) {
                    *weight += name.len() + NAME_COST;
                    names.push(name.to_owned());
                }
            }
            Self::Tags { tags, seen, older, unfit } => {
                *seen += 1;
                match name.parse() {
                    Ok(tag) if *seen <= TAGS_SEEN_MAX => tags.push(tag),
                    Ok(_) => {}
                    Err(_) => unfit.note(name),
                }
                // In steps, since each sorts all of them.
                if tags.len() >= 2 * TAGS_MAX {
                    *older += keep_newest(tags, TAGS_MAX);
                }
            }
        }
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&self, room: Room) -> bool {
        match self {
            Self::Wanted { weight, .. } => *weight > NAMES_MAX,
            Self::Tags { seen, .. } => *seen > room.of(TAGS_LITTLE, TAGS_SEEN_MAX),
        }
    }

    /// Each name once, in the order of their letters; how many older ones there were; and those
    /// that are no names here.
    pub(super) fn names(self) -> (Vec<String>, usize, Unfit) {
        let (mut names, older, unfit) = match self {
            Self::Wanted { names, .. } => (names, 0, Unfit::default()),
            Self::Tags { mut tags, older, unfit, .. } => {
                let older = older + keep_newest(&mut tags, TAGS_MAX);
                (tags.iter().map(ToString::to_string).collect(), older, unfit)
            }
        };
        names.sort_unstable();
        names.dedup();
        (names, older, unfit)
    }
}
