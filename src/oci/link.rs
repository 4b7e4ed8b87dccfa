//! The `Link` of a page of a listing: where the next page is, and whether we may go there.

use url::Url;

/// The next page lies at another scheme, host or port: following it would carry credentials there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the listing's next page is on another server, or its address cannot be read")]
pub struct ForeignLink;

/// The address of the page after the one at `page`, as its `Link` headers say.
///
/// The registry's own query is kept as it stands: what continues a listing is opaque.
///
/// # Errors
/// [`ForeignLink`]; the listing is partial then.
pub fn next_page<'a>(
    page: &Url,
    headers: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Url>, ForeignLink> {
    let Some(target) = headers.into_iter().find_map(next_target) else {
        return Ok(None);
    };
    let next = page.join(target).map_err(|_| ForeignLink)?;
    let plain = next.username().is_empty() && next.password().is_none();
    if plain && next.origin() == page.origin() { Ok(Some(next)) } else { Err(ForeignLink) }
}

/// The target of the first link of the relation `next` in one header.
fn next_target(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, from)) = rest.split_once('<') {
        let (target, after) = from.split_once('>')?;
        let parameters = after.split_once('<').map_or(after, |(parameters, _)| parameters);
        if parameters.split([';', ',']).any(is_next) {
            return Some(target.trim());
        }
        rest = after;
    }
    None
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("rel")
        && value
            .trim()
            .trim_matches('"')
            .split_ascii_whitespace()
            .any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(header: &str) -> Result<Option<String>, ForeignLink> {
        let page = Url::parse("https://registry.test/prefix/v2/_catalog?n=2").unwrap();
        next_page(&page, [header]).map(|url| url.map(String::from))
    }

    #[test]
    fn next_pages_of_every_registry_are_found() {
        for (header, expected) in [
            (
                "</v2/_catalog?last=a%2Fb&n=2>; rel=\"next\"",
                Some("https://registry.test/v2/_catalog?last=a%2Fb&n=2"),
            ),
            (
                "</v2/_catalog?n=4&last=ns/bare>; rel=next",
                Some("https://registry.test/v2/_catalog?n=4&last=ns/bare"),
            ),
            (
                "<?next_page=gAAA%3D%3D&n=2>;rel=\"next\"",
                Some("https://registry.test/prefix/v2/_catalog?next_page=gAAA%3D%3D&n=2"),
            ),
            (
                "</a>; rel=prev, </b,c>; title=x; REL=\"last Next\"",
                Some("https://registry.test/b,c"),
            ),
            ("<https://REGISTRY.test:443/x>; rel=next", Some("https://registry.test/x")),
            ("</a>; rel=\"prev\"", None),
            ("</a>", None),
            ("", None),
            ("</a; rel=next", None),
        ] {
            assert_eq!(next(header), Ok(expected.map(ToOwned::to_owned)), "{header}");
        }
    }

    #[test]
    fn other_servers_are_not_followed() {
        for target in [
            "https://evil.example/v2/_catalog",
            "//evil.example/v2/",
            "http://registry.test/v2/",
            "https://registry.test:8443/v2/",
            "https://user@registry.test/v2/",
            "file:///etc/passwd",
            "https://[::bad/",
        ] {
            assert_eq!(next(&format!("<{target}>; rel=\"next\"")), Err(ForeignLink), "{target}");
        }
    }
}
