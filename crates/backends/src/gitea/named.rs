//! Classification of repositories by name.

use registry_core::models::backend_kind::BackendKind;
use registry_core::models::naming::near_miss::{NearMiss, near_miss};

use crate::gitea::models::RepositoryRow;
use crate::gitea::repository::GiteaRepository;
use crate::gitea::rows::KeptRow;
use crate::gitea::urls::Urls;

pub(super) enum NamedRow {
    Extension(Box<GiteaRepository>),
    NearMiss(Overlooked),
}

pub(super) struct Overlooked {
    pub(super) owner_login: String,
    pub(super) name: String,
    pub(super) near_miss: NearMiss,
}

impl NamedRow {
    /// Classifies a row. `None` if the repository is unrelated.
    pub(super) fn from_row(row: RepositoryRow, urls: &Urls) -> Option<Self> {
        match near_miss(&row.name, BackendKind::Gitea) {
            Some(near_miss) => {
                let (owner_login, name) = (row.owner.login, row.name);
                Some(Self::NearMiss(Overlooked { owner_login, name, near_miss }))
            }
            None => GiteaRepository::from_row(row, urls).map(Box::new).map(Self::Extension),
        }
    }
}

impl KeptRow for NamedRow {
    fn weight(&self) -> usize {
        match self {
            Self::Extension(repository) => repository.weight(),
            Self::NearMiss(overlooked) => {
                size_of::<Self>() + overlooked.owner_login.len() + 2 * overlooked.name.len()
            }
        }
    }
}
