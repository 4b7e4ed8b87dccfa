//! Reference of the API.

use askama::Template;

use crate::error::Result;
use crate::filters;
use crate::layout::{PageLayout, SitePlace, rendered};
use crate::site::Site;

/// Reference of the API.
#[derive(Clone, Debug)]
pub struct ReferencePage {
    /// Operations by group, in the order of the contract.
    pub groups: Vec<Group>,
}

/// Operations about one subject.
#[derive(Clone, Debug)]
pub struct Group {
    /// Heading.
    pub name: String,
    /// Operations.
    pub operations: Vec<OperationView>,
}

/// Operation of the API.
#[derive(Clone, Debug)]
pub struct OperationView {
    /// Method in capitals.
    pub method: String,
    /// Path template below the base path.
    pub path: String,
    /// Summary in one sentence.
    pub summary: String,
    /// Description in further sentences.
    pub description: Option<String>,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Responses.
    pub responses: Vec<Response>,
    /// Example, executed against this service.
    pub example: Option<Example>,
}

/// Parameter of an operation.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// `path`, `query` or `header`.
    pub place: String,
    /// True if it must be given.
    pub is_required: bool,
    /// Meaning.
    pub description: String,
}

/// Response of an operation.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: String,
    /// Meaning.
    pub description: String,
}

/// Example of an operation.
#[derive(Clone, Debug)]
pub struct Example {
    /// Address of the request, made by [`crate::links::Links`].
    pub address: String,
    /// Body of the response, as text.
    pub body: String,
}

#[derive(Template)]
#[template(path = "reference.html")]
struct ReferenceTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    page: &'a ReferencePage,
}

impl OperationView {
    /// Returns the fragment of the operation: method and path in lower case, joined by dashes.
    fn anchor(&self) -> String {
        let text = format!("{} {}", self.method, self.path).to_lowercase();
        let words =
            text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-")
    }
}

impl ReferencePage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let layout = PageLayout {
            title: "API".to_owned(),
            place: SitePlace::Reference,
            json: Some(site.links.api().openapi()),
            canonical: Some(site.links.reference()),
            ..PageLayout::default()
        };
        rendered("reference.html", &ReferenceTemplate { site, layout, page: self })
    }
}
