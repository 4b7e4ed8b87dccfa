//! Queries with cached answers, and their keys.

use std::borrow::Cow;

use axum::http::HeaderMap;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use registry_catalog::listing::filter::{ListFilter, ListOrder};
use registry_catalog::read::version_range::VersionRange;
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;

use crate::answers::paging::Page;
use crate::edge::accept::AcceptedForm;

/// A query with a cached answer. Each route of the API that reads the catalog is one.
#[derive(Clone, Debug)]
pub enum Query {
    /// A page of all extensions that a filter selects, in an order.
    List(ListFilter, ListOrder, Page),
    /// A page of the extensions that match these words.
    Search(String, ListFilter, Page),
    /// One extension, described by its latest version.
    Latest(ExtensionId, Scope),
    /// All versions of an extension.
    Versions(ExtensionId, Scope),
    /// All metadata of one version.
    Release(ExtensionId, Tag, Scope),
    /// The version that a range selects.
    Resolve(ExtensionId, VersionRange, Scope),
    /// The README of a version, in one form.
    Readme(ReadmeQuery, AcceptedForm),
}

/// Identifies a README.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadmeQuery {
    /// Extension.
    pub id: ExtensionId,
    /// Version, or `latest`.
    pub version: Tag,
    /// Backends that are asked.
    pub scope: Scope,
}

impl Query {
    /// Returns the key of the answer, which is equal for names that differ in case only, and for
    /// all forms.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::List(filter, order, Page { limit, offset }) => {
                format!("list:{}{PAGE}{limit}&{offset}", list_key(filter, *order))
            }
            Self::Search(words, filter, Page { limit, offset }) => {
                let list = list_key(filter, ListOrder::Name);
                format!("search:{list}{PAGE}{limit}&{offset}&{words}")
            }
            Self::Latest(id, scope) => extension_key(id, "", *scope),
            Self::Versions(id, scope) => extension_key(id, "/versions", *scope),
            Self::Release(id, version, scope) => {
                extension_key(id, &format!("/{version}/metadata"), *scope)
            }
            Self::Resolve(id, VersionRange { constraint, prereleases }, scope) => {
                extension_key(id, &format!("/resolve?{constraint}&{prereleases}"), *scope)
            }
            Self::Readme(wanted, _) => wanted.key(),
        }
    }

    /// Returns the query in the form that a client with these headers prefers; `None` if it accepts
    /// none.
    #[must_use]
    pub fn negotiated(&self, request: &HeaderMap) -> Option<Cow<'_, Self>> {
        let Self::Readme(wanted, form) = self else { return Some(Cow::Borrowed(self)) };
        let preferred = AcceptedForm::preferred(request)?;
        if preferred == *form {
            return Some(Cow::Borrowed(self));
        }
        Some(Cow::Owned(Self::Readme(wanted.clone(), preferred)))
    }

    /// Returns the backends that the query is about.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::List(filter, ..) | Self::Search(_, filter, _) => filter.scope,
            Self::Latest(_, scope)
            | Self::Versions(_, scope)
            | Self::Release(_, _, scope)
            | Self::Resolve(_, _, scope) => *scope,
            Self::Readme(wanted, _) => wanted.scope,
        }
    }

    /// Returns the extension that the query is about; `None` for lists and searches.
    #[must_use]
    pub const fn id(&self) -> Option<&ExtensionId> {
        match self {
            Self::List(..) | Self::Search(..) => None,
            Self::Latest(id, _)
            | Self::Versions(id, _)
            | Self::Release(id, ..)
            | Self::Resolve(id, ..) => Some(id),
            Self::Readme(wanted, _) => Some(&wanted.id),
        }
    }
}

// Separates the list from its page.
const PAGE: char = '?';

/// Returns the list that a page with this key is part of.
#[must_use]
pub fn list_of(key: &str) -> &str {
    key.split(PAGE).next().unwrap_or(key)
}

/// `{type}:{scope}`; keywords follow, and an order other than that of names.
fn list_key(filter: &ListFilter, order: ListOrder) -> String {
    let extension_type = filter.extension_type.map_or("all", ExtensionType::as_str);
    let mut key = format!("{extension_type}:{}", scope_key(filter.scope));
    for keyword in &*filter.keywords {
        key.push('&');
        // Encoded, so that a keyword cannot look like another part of the key.
        key.extend(utf8_percent_encode(keyword.as_str(), NON_ALPHANUMERIC));
    }
    if order != ListOrder::Name {
        key.push(':');
        key.push_str(order.as_str());
    }
    key
}

impl ReadmeQuery {
    /// Returns the key of the README, which is equal for all forms.
    #[must_use]
    pub fn key(&self) -> String {
        extension_key(&self.id, &format!("/{}/readme", self.version), self.scope)
    }
}

/// `{type}/{name}{part}` in lower case; `@` and the scope follow unless all backends were asked.
fn extension_key(id: &ExtensionId, part: &str, scope: Scope) -> String {
    let mut key = String::with_capacity(64);
    key.push_str(id.extension_type.as_str());
    key.push('/');
    key.extend(id.name.as_str().chars().map(|c| c.to_ascii_lowercase()));
    key.push_str(part);
    if scope != Scope::All {
        key.push('@');
        key.push_str(&scope_key(scope));
    }
    key
}

fn scope_key(scope: Scope) -> String {
    match scope {
        Scope::All => "all".to_owned(),
        Scope::Kind(kind) => kind.to_string(),
        // Backends may be named like their kind, of which there may be others.
        Scope::Backend(one) => format!("{}/{one}", one.kind()),
        Scope::Nothing => "nothing".to_owned(),
    }
}
