//! Redirects from page addresses with a slash at their end.

use axum::http::header::LOCATION;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use crate::edge::own_address::OwnAddress;
use crate::edge::templates::Templates;
use crate::metrics::UNMATCHED;

/// Returns the redirect to the address without its last slash; `None` if no page lies there.
#[must_use]
pub fn redirect(uri: &Uri, own: &OwnAddress, pages: &Templates) -> Option<Response> {
    let bare = uri.path().strip_suffix('/')?;
    if pages.of(bare) == UNMATCHED { None } else { redirect_within(uri, own) }
}

/// Returns the redirect of a target below a page; `None` without a slash at its end. The path of a
/// page begins with a fixed word, so that it names no other host, as `//host` does.
#[must_use]
pub fn redirect_within(uri: &Uri, own: &OwnAddress) -> Option<Response> {
    let bare = uri.path().strip_suffix('/')?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}{bare}{query}", own.prefix);
    Some((StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::routes::templates;

    #[test]
    fn pages_lose_one_slash_and_nothing_leads_to_another_host() {
        let pages = Templates::labeled(templates());
        let own = OwnAddress { prefix: "/base".to_owned(), ..OwnAddress::default() };
        for (target, expected) in [
            ("/extensions/", Some("/base/extensions")),
            ("/extensions/?q=a/&sort=name", Some("/base/extensions?q=a/&sort=name")),
            ("/provider/aws/", Some("/base/provider/aws")),
            ("/provider/aws/v/a%2Fb/", Some("/base/provider/aws/v/a%2Fb")),
            ("/provider/aws/v/1/files/a/", Some("/base/provider/aws/v/1/files/a")),
            ("/provider/%2F%2Fevil.example/", Some("/base/provider/%2F%2Fevil.example")),
            ("//", Some("/base/")),
            ("/", None),
            ("/extensions", None),
            ("/extensions//", None),
            ("/nowhere/", None),
            ("//evil.example/", None),
            ("//evil.example/provider/aws/", None),
            ("/%2Fevil.example/", None),
            ("/%5Cevil.example/", None),
            ("/\\evil.example/", None),
        ] {
            let uri: Uri = target.parse().unwrap();
            let response = redirect(&uri, &own, &pages);
            let location = response.map(|response| response.headers()[LOCATION].clone());
            assert_eq!(location.as_ref().map(|one| one.to_str().unwrap()), expected, "{target}");
        }
    }
}
