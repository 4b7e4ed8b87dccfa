//! Parser for `WWW-Authenticate` (RFC 9110, 11.6.1) as registries send it: several challenges in
//! one header, in any case, with or without quotes. Oversized values are skipped, so that they are
//! never cached.

/// Maximum length of a header, in bytes.
const HEADER_MAX: usize = 8 * 1024;
const CHALLENGES_MAX: usize = 16;
/// Maximum lengths of a token server's address and of a registry's name there, in bytes.
const REALM_MAX: usize = 2 * 1024;
const SERVICE_MAX: usize = 512;
/// Maximum number of scopes of a token, and maximum length of each.
const SCOPES_MAX: usize = 16;
const SCOPE_MAX: usize = 512;

/// Authentication method that a registry offers. Unsupported schemes are skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token from a token server.
    Bearer(BearerChallenge),
}

/// Address of a token server, and the parameters of a token request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BearerChallenge {
    /// Address of the token server, not validated.
    pub realm: String,
    /// Name of the registry at the token server.
    pub service: Option<String>,
    /// Scopes of the token, verbatim. Empty if the registry names none.
    pub scopes: Vec<String>,
}

impl Challenge {
    /// Returns the length of the texts, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Basic => 0,
            Self::Bearer(challenge) => challenge.bytes(),
        }
    }
}

impl BearerChallenge {
    /// Returns the length of the texts, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let scopes: usize = self.scopes.iter().map(|scope| size_of::<String>() + scope.len()).sum();
        self.realm.len() + self.service.as_ref().map_or(0, String::len) + scopes
    }
}

/// Parses the challenges in these header values, in order.
#[must_use]
pub fn challenges<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    let short = headers.into_iter().filter(|header| header.len() <= HEADER_MAX);
    short.flat_map(parse).take(CHALLENGES_MAX).collect()
}

fn parse(header: &str) -> Vec<Challenge> {
    let mut rest = Scanner(header);
    let mut offers: Vec<Offer> = Vec::new();
    while let Some(word) = rest.word() {
        if rest.equals_sign() {
            let value = rest.value();
            if let Some(offer) = offers.last_mut() {
                offer.parameters.push((word.to_ascii_lowercase(), value));
            }
        } else {
            offers.push(Offer { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
        }
    }
    offers.into_iter().filter_map(Offer::into_challenge).collect()
}

struct Offer {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn parameter(&self, name: &str) -> Option<String> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }

    fn into_challenge(self) -> Option<Challenge> {
        match self.scheme.as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => {
                let realm = self.parameter("realm").filter(|realm| realm.len() <= REALM_MAX)?;
                let service = self.parameter("service");
                let scopes = scopes(&self.parameter("scope").unwrap_or_default())?;
                let fits = service.as_ref().is_none_or(|service| service.len() <= SERVICE_MAX);
                fits.then_some(Challenge::Bearer(BearerChallenge { realm, service, scopes }))
            }
            _ => None,
        }
    }
}

/// Splits the scopes. `None` if there are too many, because a part would be a different token.
fn scopes(text: &str) -> Option<Vec<String>> {
    let mut words = text.split_ascii_whitespace();
    let found: Vec<&str> = words.by_ref().take(SCOPES_MAX).collect();
    let fits = words.next().is_none() && found.iter().all(|scope| scope.len() <= SCOPE_MAX);
    fits.then(|| found.into_iter().map(ToOwned::to_owned).collect())
}

struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn word(&mut self) -> Option<&'a str> {
        let start = self.0.find(is_word_character)?;
        let (_, from) = self.0.split_at(start);
        let end = from.find(|c| !is_word_character(c)).unwrap_or(from.len());
        let (word, rest) = from.split_at(end);
        self.0 = rest;
        Some(word)
    }

    fn equals_sign(&mut self) -> bool {
        let found = self.0.trim_start().strip_prefix('=');
        self.0 = found.unwrap_or(self.0);
        found.is_some()
    }

    fn value(&mut self) -> String {
        let text = self.0.trim_start();
        if let Some(quoted) = text.strip_prefix('"') {
            return self.quoted(quoted);
        }
        // Some registries send values without quotes, with characters that RFC 9110 does not allow
        // there.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        self.0 = rest;
        value.to_owned()
    }

    /// Reads up to the closing quote, or to the end of the header if it is missing.
    fn quoted(&mut self, text: &'a str) -> String {
        let mut value = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => value.extend(characters.next()),
                other => value.push(other),
            }
        }
        self.0 = characters.as_str();
        value
    }
}

fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scopes: &[&str]) -> Challenge {
        Challenge::Bearer(BearerChallenge {
            realm: realm.to_owned(),
            service: service.map(ToOwned::to_owned),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        })
    }

    #[test]
    fn challenges_of_every_registry_are_read() {
        let auth = "https://auth/token";
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth/token",service="s",scope="repository:ns/x:pull,push""#,
                vec![bearer(auth, Some("s"), &["repository:ns/x:pull,push"])],
            ),
            (
                r#"bearer Realm=https://auth/token , SERVICE = s, Scope="a:b:pull c:d:pull""#,
                vec![bearer(auth, Some("s"), &["a:b:pull", "c:d:pull"])],
            ),
            (
                r#"Basic realm="harbor", Bearer realm="https://auth/token",scope="""#,
                vec![Challenge::Basic, bearer(auth, None, &[])],
            ),
            (
                r#"Bearer realm="https://auth/token",scope="*", basic realm=x"#,
                vec![bearer(auth, None, &["*"]), Challenge::Basic],
            ),
            (
                r#"Bearer realm="https://auth/token",scope="repository::pull""#,
                vec![bearer(auth, None, &["repository::pull"])],
            ),
            (r#"Bearer realm="a\"b"#, vec![bearer("a\"b", None, &[])]),
            ("basic realm=x", vec![Challenge::Basic]),
            ("BASIC", vec![Challenge::Basic]),
            ("Bearer", vec![]),
            ("Bearer service=\"s\"", vec![]),
            ("Negotiate abc==, Basic realm=\"r\"", vec![Challenge::Basic]),
            ("", vec![]),
            (", ,", vec![]),
        ] {
            assert_eq!(challenges([header]), expected, "{header}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let found = challenges(["Basic realm=a", r#"Bearer realm="r""#]);
        assert_eq!(found, [Challenge::Basic, bearer("r", None, &[])]);
    }

    #[test]
    fn what_is_longer_than_any_registry_needs_is_left_out() {
        let of = |realm: usize, service: usize, scopes: &str| {
            let (realm, service) = ("r".repeat(realm), "s".repeat(service));
            let header = format!(r#"Bearer realm="{realm}",service="{service}",scope="{scopes}""#);
            challenges([header.as_str()]).len()
        };
        assert_eq!(of(REALM_MAX, SERVICE_MAX, &"a ".repeat(SCOPES_MAX)), 1);
        assert_eq!(of(8, 8, &"a".repeat(SCOPE_MAX)), 1);
        assert_eq!(of(REALM_MAX + 1, 8, ""), 0);
        assert_eq!(of(8, SERVICE_MAX + 1, ""), 0);
        assert_eq!(of(8, 8, &"a ".repeat(SCOPES_MAX + 1)), 0);
        assert_eq!(of(8, 8, &"a".repeat(SCOPE_MAX + 1)), 0);
        let long = format!("Basic realm=\"{}\"", "x".repeat(HEADER_MAX));
        assert_eq!(challenges([long.as_str(), "Basic realm=x"]), [Challenge::Basic]);
        assert_eq!(challenges(["Basic, Basic, Basic"; 100]).len(), CHALLENGES_MAX);
    }

    proptest! {
        #[test]
        fn any_header_is_read(header in "\\PC{0,80}") {
            let _ = challenges([header.as_str()]);
        }
    }
}
