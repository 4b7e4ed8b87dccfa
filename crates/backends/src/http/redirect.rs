//! Rules for redirects: allowed targets, and the origins that credentials are sent to.

use hyper::header::LOCATION;
use hyper::{Response, StatusCode};
use url::Url;

use crate::http::request::{AuthorizationHeader, Redirects, Request};

/// Redirects followed for one request.
const HOPS_MAX: usize = 5;

#[derive(Debug)]
pub(super) struct Hop {
    pub(super) url: Url,
    pub(super) credentials: Option<AuthorizationHeader>,
    /// True if the operator configured this origin, and no earlier redirect left it.
    pub(super) trusted: bool,
    /// True if this is the origin of the configured address, and no earlier redirect left it.
    pub(super) at_home: bool,
    pub(super) moved: Option<StatusCode>,
    followed: usize,
}

impl Hop {
    /// Returns the hop to the request's own address. This alone decides about credentials: they
    /// never go to another origin than their own. The error may be shown to clients.
    pub(super) fn first(request: &Request, base: &Url) -> Result<Self, &'static str> {
        let (origin, home) = (request.url.origin(), base.origin());
        // A token server has a separate audience; the caller has already validated its origin.
        let audience = request.audience.as_ref().unwrap_or(&home);
        if request.credentials.is_some() && *audience != origin {
            return Err("A backend redirects to another server, which gets no credentials");
        }
        let at_home = origin == home;
        Ok(Self {
            trusted: request.trusted || at_home,
            at_home,
            url: request.url.clone(),
            credentials: request.credentials.clone(),
            moved: None,
            followed: 0,
        })
    }

    /// Returns the next hop, or `None` for a final response. The error may be shown to clients.
    pub(super) fn next<B>(
        &self,
        response: &Response<B>,
        redirects: Redirects,
    ) -> Result<Option<Self>, &'static str> {
        // 300 offers a choice and 304 is no redirect (RFC 9110, 15.4), so that neither is followed.
        let followable = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if redirects == Redirects::Never || !followable {
            return Ok(None);
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let url = location
            .and_then(|location| self.url.join(location).ok())
            .ok_or("A backend redirects without a usable Location")?;
        let stays = url.origin() == self.url.origin();
        self.check(&url, stays, redirects)?;
        Ok(Some(Self {
            url,
            // Lost at the first foreign hop and never regained: another server chose the rest.
            credentials: self.credentials.clone().filter(|_| stays),
            trusted: self.trusted && stays,
            at_home: self.at_home && stays,
            moved: self.moved.or(Some(response.status())),
            followed: self.followed + 1,
        }))
    }

    fn check(&self, url: &Url, stays: bool, redirects: Redirects) -> Result<(), &'static str> {
        if self.followed >= HOPS_MAX {
            return Err("A backend's redirects never end");
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err("A backend redirects to a scheme other than HTTP");
        }
        // A downgrade would expose the content to the network, which could also replace it.
        if self.url.scheme() == "https" && url.scheme() == "http" {
            return Err("A backend redirects from HTTPS to plain HTTP");
        }
        // Following would drop the credentials, which each first request sends in clear text.
        if self.at_home && is_upgrade(&self.url, url) {
            return Err(
                "A backend redirects from plain HTTP to HTTPS; use https:// in its configured address",
            );
        }
        if redirects == Redirects::SameOrigin && !stays {
            return Err("A backend redirects to another server");
        }
        Ok(())
    }
}

fn is_upgrade(from: &Url, to: &Url) -> bool {
    from.scheme() == "http"
        && to.scheme() == "https"
        && from.host() == to.host()
        && from.path() == to.path()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(redirects: Redirects) -> Hop {
        let url: Url = "https://git.example/api/x?y=1".parse().unwrap();
        let credentials = AuthorizationHeader::new("token", &"t".to_owned().into()).unwrap();
        let request =
            Request::get("x", url.clone()).with_credentials(Some(credentials)).follow(redirects);
        Hop::first(&request, &url).unwrap()
    }

    fn redirect(to: &str) -> Response<()> {
        Response::builder().status(303).header(LOCATION, to).body(()).unwrap()
    }

    #[test]
    fn only_the_first_origin_sees_credentials() {
        let start = first(Redirects::Anywhere);
        for (to, keeps) in [
            ("/other", true),
            ("https://git.example:443/z", true),
            ("https://git.example:444/z", false),
            ("https://s3.example/z", false),
            ("//git.example.evil/z", false),
            ("https://user@git.example/z", true),
        ] {
            let hop = start.next(&redirect(to), Redirects::Anywhere).unwrap().unwrap();
            assert_eq!((hop.credentials.is_some(), hop.trusted), (keeps, keeps), "{to}");
            assert_eq!(hop.at_home, keeps, "{to}");
        }
        let away = start.next(&redirect("https://s3.example/"), Redirects::Anywhere);
        let back =
            away.unwrap().unwrap().next(&redirect("https://git.example/"), Redirects::Anywhere);
        let back = back.unwrap().unwrap();
        assert!(back.credentials.is_none() && !back.trusted, "who left comes back a stranger");
        assert!(!back.at_home);
    }

    #[test]
    fn credentials_are_sent_to_whom_they_are_for_and_to_no_other_address() {
        let base: Url = "https://git.example/sub/".parse().unwrap();
        let credentials =
            || Some(AuthorizationHeader::new("token", &"t".to_owned().into()).unwrap());
        for (to, at_home) in [
            ("https://git.example/api", true),
            ("https://GIT.example:443/other", true),
            ("https://git.example:444/api", false),
            ("http://git.example/api", false),
            ("https://git.example.evil/api", false),
            ("https://auth.example/token", false),
        ] {
            let request = || Request::get("x", to.parse().unwrap());
            let hop = Hop::first(&request().with_credentials(credentials()), &base);
            assert_eq!(hop.is_ok(), at_home, "{to}");
            assert_eq!(Hop::first(&request(), &base).unwrap().at_home, at_home, "{to}");
            let auth: Url = "https://auth.example/other".parse().unwrap();
            let hop = Hop::first(&request().with_credentials_for(&auth, credentials()), &base);
            assert_eq!(hop.is_ok(), to == "https://auth.example/token", "{to}");
            let on_host = request().on_configured_host().with_credentials(credentials());
            assert_eq!(Hop::first(&on_host, &base).is_ok(), at_home, "trust shows nothing: {to}");
        }
    }

    #[test]
    fn some_redirects_are_refused() {
        for (to, redirects) in [
            ("http://git.example/api/x", Redirects::Anywhere),
            ("file:///etc/passwd", Redirects::Anywhere),
            ("https://", Redirects::Anywhere),
            ("https://s3.example/", Redirects::SameOrigin),
        ] {
            assert!(first(redirects).next(&redirect(to), redirects).is_err(), "{to}");
        }
        assert!(first(Redirects::Never).next(&redirect("/x"), Redirects::Never).unwrap().is_none());
    }

    #[test]
    fn five_redirects_are_followed_and_no_more() {
        let mut hop = first(Redirects::SameOrigin);
        for _ in 0..HOPS_MAX {
            hop = hop.next(&redirect("/x"), Redirects::SameOrigin).unwrap().unwrap();
        }
        assert_eq!(hop.moved, Some(StatusCode::SEE_OTHER));
        assert!(hop.next(&redirect("/x"), Redirects::SameOrigin).is_err());
    }
}
