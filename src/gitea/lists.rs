//! The two complete lists: the organization's repositories, and the releases of one repository.

use crate::error::Result;
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::labels;
use crate::gitea::models::ReleaseRow;
use crate::gitea::named::NamedRow;
use crate::gitea::page::Bound;
use crate::gitea::paging::ReleasePages;
use crate::gitea::rows::Rows;
use crate::http::memory_budget::MemoryBudget;
use crate::models::extension::Release;

impl GiteaClient {
    pub(super) async fn repositories(&self) -> Result<Reply<Rows<NamedRow>>> {
        let pages = &ReleasePages::new(self, labels::REPOSITORIES, self.urls.repositories());
        let keep = &|row| Ok(NamedRow::from_row(row, &self.urls));
        self.roomy(|room| async move {
            match room {
                MemoryBudget::Little => pages.ahead(keep).await,
                MemoryBudget::Much => pages.one_by_one(keep, Bound::of_the_listing()).await,
            }
        })
        .await
    }

    pub(super) async fn releases(
        &self,
        name: &str,
        keep: impl Fn(ReleaseRow) -> Result<Option<Release>> + Sync,
    ) -> Result<Reply<Rows<Release>>> {
        let pages = &ReleasePages::new(self, labels::RELEASES, self.urls.releases(name));
        let keep = &keep;
        self.roomy(|room| pages.one_by_one(keep, Bound::of_one_list(room))).await
    }
}
