//! README of a version, inside the page.

use registry_core::error::Result;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use registry_web::pages::overview::ReadmeView;
use tokio::time::Instant;

use crate::answers::Answers;
use crate::answers::answer::Answer;
use crate::answers::query::{Query, ReadmeQuery};
use crate::edge::accept::AcceptedForm;
use crate::edge::rendered::Rendered;
use crate::pages::fragment::References;
use crate::pages::page_state::Pages;

/// The sanitized README of a version, or why there is none.
#[derive(Clone, Debug)]
pub enum FoundReadme {
    /// The README as a fragment of HTML.
    Page(Rendered),
    /// The version has no README.
    Missing,
    /// The backend does not answer.
    Unavailable,
}

impl FoundReadme {
    /// Reads the README by the query of the API. Waits for its backend only if it is not cached.
    pub async fn read(pages: &Pages, wanted: &Query) -> Self {
        Self::of(pages.api.answers.answer(wanted).await)
    }

    /// Returns the query for the README of a version.
    #[must_use]
    pub fn query(id: &ExtensionId, version: Tag, scope: Scope) -> Query {
        let wanted = ReadmeQuery { id: id.clone(), version, scope };
        Query::Readme(wanted, AcceptedForm::Fragment)
    }

    fn of(answer: Result<Answer>) -> Self {
        match answer {
            Ok(answer) => Self::Page(answer.content.rendered),
            Err(error) if error.is_not_found() => Self::Missing,
            Err(_) => Self::Unavailable,
        }
    }

    /// Returns true if the cache has the same for a version. Does not wait.
    #[must_use]
    pub fn is_same(&self, answers: &Answers, wanted: &Query) -> bool {
        let now = Instant::now();
        match (self, wanted) {
            (Self::Page(page), _) => {
                let hit = answers.cached(wanted, "", now);
                hit.is_some_and(|hit| hit.answer.content.rendered.etag() == page.etag())
            }
            (Self::Missing, Query::Readme(wanted, _)) => {
                answers.readmes.is_missing(answers.catalog(), wanted, now)
            }
            _ => false,
        }
    }

    /// Returns a key that is equal for equal READMEs.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Page(page) => page.etag().and_then(|etag| etag.to_str().ok()).unwrap_or("-"),
            Self::Missing => "missing",
            Self::Unavailable => "unavailable",
        }
    }

    /// Returns the length of the page in bytes; 0 without a README.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Page(page) => page.body().len(),
            _ => 0,
        }
    }

    /// Returns the README for a page.
    #[must_use]
    pub fn model(&self, references: &References<'_>) -> ReadmeView {
        match self {
            Self::Page(page) => {
                ReadmeView::Page(references.within_page(&String::from_utf8_lossy(page.body())))
            }
            Self::Missing => ReadmeView::Missing,
            Self::Unavailable => ReadmeView::Unavailable,
        }
    }
}
