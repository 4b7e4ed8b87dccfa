//! Classification of repositories by name.

use crate::gitea::convert::Repository;
use crate::gitea::models::RepositoryRow;
use crate::gitea::page::Kept;
use crate::gitea::urls::Urls;
use crate::models::backend_kind::BackendKind;
use crate::models::naming::near_miss::{NearMiss, near_miss};

/// Repository with a relevant name.
pub(super) enum Named {
    /// Repository of an extension.
    Extension(Box<Repository>),
    /// Repository whose name nearly fits.
    NearMiss(Overlooked),
}

/// Repository whose name nearly fits.
pub(super) struct Overlooked {
    pub(super) owner_login: String,
    pub(super) name: String,
    pub(super) near_miss: NearMiss,
}

impl Named {
    /// Classifies a row. `None` if the repository is unrelated.
    pub(super) fn from_row(row: RepositoryRow, urls: &Urls) -> Option<Self> {
        match near_miss(&row.name, BackendKind::Gitea) {
            Some(near_miss) => {
                let (owner_login, name) = (row.owner.login, row.name);
                Some(Self::NearMiss(Overlooked { owner_login, name, near_miss }))
            }
            None => Repository::from_row(row, urls).map(Box::new).map(Self::Extension),
        }
    }
}

impl Kept for Named {
    fn weight(&self) -> usize {
        match self {
            Self::Extension(repository) => repository.weight(),
            Self::NearMiss(overlooked) => {
                size_of::<Self>() + overlooked.owner_login.len() + 2 * overlooked.name.len()
            }
        }
    }
}
