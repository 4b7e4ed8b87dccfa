//! Credentials for a registry: a token, `user:password`, or a Docker `config.json`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use secrecy::SecretString;
use serde::Deserialize;

use crate::address::RegistryAddress;
use crate::lenient::{entries, texts, value};
use crate::object::from_object;
use crate::repository::Namespace;

/// User name that marks an identity token in Docker's credential stores.
const IDENTITY_USER: &str = "<token>";

/// Credentials for a registry or its token server. `Debug` hides the secrets.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// No credentials.
    #[default]
    Anonymous,
    /// User name and password.
    Password {
        /// User name.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// Token that the registry itself accepts.
    Token(SecretString),
    /// Identity token, which a token server exchanges for a registry token.
    Identity(SecretString),
}

/// Reason why a text holds no valid credentials, for operators. It quotes no part of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentials {
    /// The text is empty.
    #[error("the credentials are empty")]
    Empty,
    /// White space inside.
    #[error("the credentials are more than one word")]
    SeveralWords,
    /// Characters that are not valid in a user name or token, as in a document.
    #[error(
        "the credentials are neither a token, user:password nor a Docker config.json, which begins with {{"
    )]
    Document,
    /// The text begins with a brace but is not a valid Docker configuration.
    #[error("the Docker config.json cannot be read: {0}")]
    Config(String),
    /// Docker configuration without an entry for this registry.
    #[error("the Docker config.json has no credentials for {0}")]
    NotThere(String),
    /// Docker configuration that refers to a credential helper for this registry.
    #[error(
        "the Docker config.json leaves {0} to a credential helper, which the service does not run: put the credentials into the file"
    )]
    Helper(String),
}

impl Credentials {
    /// Parses a credentials file for a namespace of a registry.
    pub fn parse(
        text: &str,
        registry: &RegistryAddress,
        namespace: &Namespace,
    ) -> Result<Self, InvalidCredentials> {
        // Editors on Windows write a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        if text.is_empty() {
            return Err(InvalidCredentials::Empty);
        }
        if text.starts_with('{') {
            return from_docker_config(text, registry, namespace);
        }
        if text.contains(char::is_whitespace) {
            return Err(InvalidCredentials::SeveralWords);
        }
        let (name, password) = text.split_once(':').map_or((text, None), |(n, p)| (n, Some(p)));
        // Anything that passes for a password is sent to the registry, so that a damaged
        // configuration file must not pass.
        if !name.chars().all(is_of_a_name) || text.contains("\"auth") {
            return Err(InvalidCredentials::Document);
        }
        Ok(password.map_or_else(
            || Self::Token(name.to_owned().into()),
            |password| Self::password(name, password),
        ))
    }

    /// Returns the credentials of a user name and a password. The name of identity tokens makes one.
    #[must_use]
    pub fn password(user: &str, password: &str) -> Self {
        if user == IDENTITY_USER {
            return Self::Identity(password.to_owned().into());
        }
        Self::Password { user: user.to_owned(), password: password.to_owned().into() }
    }
}

/// Returns false for quotes, brackets and invisible characters, which indicate a document.
fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c.is_ascii_graphic() && !matches!(c, '{' | '}' | '[' | ']' | '"' | '\'')
}

/// Docker's `config.json`, which is also the format of `auth.json` in containers/image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default, deserialize_with = "entries")]
    auths: BTreeMap<String, DockerAuth>,
    #[serde(default, deserialize_with = "texts")]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "value")]
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct DockerAuth {
    #[serde(default, deserialize_with = "value")]
    auth: Option<String>,
    #[serde(default, deserialize_with = "value")]
    username: Option<String>,
    #[serde(default, deserialize_with = "value")]
    password: Option<String>,
    #[serde(default, deserialize_with = "value")]
    identitytoken: Option<String>,
    #[serde(default, deserialize_with = "value")]
    registrytoken: Option<String>,
}

impl DockerAuth {
    fn credentials(&self) -> Option<Credentials> {
        // A `registrytoken` needs no exchange and no password, so that it comes first.
        if let Some(token) = given(&self.registrytoken) {
            return Some(Credentials::Token(token.into()));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Some(Credentials::Identity(token.into()));
        }
        if let Some(auth) = given(&self.auth) {
            let (user, password) = decode(&auth)?;
            return Some(Credentials::password(&user, &password));
        }
        Some(Credentials::password(&given(&self.username)?, &given(&self.password)?))
    }
}

#[expect(clippy::ref_option, reason = "both fields are options")]
fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

/// Decodes `user:password` from Base64. The password may contain colons.
fn decode(auth: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(auth).or_else(|_| STANDARD_NO_PAD.decode(auth)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    // Docker pads formerly encrypted values with zero bytes.
    let (user, password) = text.trim_end_matches('\0').split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn from_docker_config(
    text: &str,
    registry: &RegistryAddress,
    namespace: &Namespace,
) -> Result<Credentials, InvalidCredentials> {
    let config: DockerConfig = from_object(text.as_bytes())
        .map_err(|error| InvalidCredentials::Config(place_of(&error)))?;
    // The most specific key wins, as in containers/image.
    let found = config
        .auths
        .iter()
        .filter_map(|(key, auth)| Some((reach(key, registry, namespace)?, auth.credentials()?)))
        .max_by_key(|(length, _)| *length);
    if let Some((_, credentials)) = found {
        return Ok(credentials);
    }
    let host = registry.authority();
    let helper = config.cred_helpers.keys().any(|key| registry.is_called(bare(key)));
    if helper || config.creds_store.is_some_and(|store| !store.is_empty()) {
        return Err(InvalidCredentials::Helper(host));
    }
    Err(InvalidCredentials::NotThere(host))
}

/// A program that keeps credentials for Docker: `docker-credential-NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialHelper {
    /// Name behind `docker-credential-`.
    pub name: String,
    /// Registry as the helper knows it.
    pub server: String,
}

impl CredentialHelper {
    /// Returns the helper that a Docker configuration names for a registry.
    #[must_use]
    pub fn find(text: &str, registry: &RegistryAddress) -> Option<Self> {
        let config: DockerConfig = from_object(text.as_bytes()).ok()?;
        let own = config.cred_helpers.iter().find(|(key, _)| registry.is_called(bare(key)));
        let (server, name) = match (own, config.creds_store) {
            (Some((server, name)), _) => (server.clone(), name.clone()),
            // The store of all registries knows them by the keys of `auths`.
            (None, Some(name)) => {
                let called = |key: &&String| registry.is_called(host_of(key));
                let key = config.auths.keys().find(called).cloned();
                (key.unwrap_or_else(|| registry.authority()), name)
            }
            (None, None) => return None,
        };
        // The name becomes a part of a program's name.
        let is_name =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        (is_name && !name.is_empty()).then_some(Self { name, server })
    }
}

fn host_of(key: &str) -> &str {
    let bare = bare(key);
    bare.split_once('/').map_or(bare, |(host, _)| host)
}

/// Returns the position of a syntax error, without the text there, which may be a secret.
fn place_of(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// Returns the length of the match between a key of `auths` and the namespace, in characters.
/// `None` if the key is for other namespaces.
///
/// Keys are `host`, `https://host/`, `https://index.docker.io/v1/` or `host/path`.
fn reach(key: &str, registry: &RegistryAddress, namespace: &Namespace) -> Option<usize> {
    let (host, path) = bare(key).split_once('/').unwrap_or((bare(key), ""));
    // Docker's historic key for its hub ends with `/v1/`, which is not part of a namespace.
    let path = if matches!(path, "v1" | "v2") { "" } else { path };
    // Namespaces are in lowercase, whatever case the key has.
    let path = path.to_ascii_lowercase();
    let behind = namespace.as_str().strip_prefix(&path)?;
    let whole = path.is_empty() || behind.is_empty() || behind.starts_with('/');
    (whole && registry.is_called(host)).then_some(path.len())
}

fn bare(key: &str) -> &str {
    key.split_once("://").map_or(key, |(_, rest)| rest).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn parse(text: &str, registry: &str) -> Result<String, InvalidCredentials> {
        let namespace = "team/infra".parse().unwrap();
        let credentials = Credentials::parse(text, &registry.parse().unwrap(), &namespace)?;
        Ok(match credentials {
            Credentials::Anonymous => "nobody".to_owned(),
            Credentials::Password { user, password } => {
                format!("password {user} {}", password.expose_secret())
            }
            Credentials::Token(token) => format!("token {}", token.expose_secret()),
            Credentials::Identity(token) => format!("identity {}", token.expose_secret()),
        })
    }

    #[test]
    fn tokens_and_passwords_are_told_apart() {
        for (text, expected) in [
            (" tok-en\n", Ok("token tok-en")),
            ("user:pass:word\n", Ok("password user pass:word")),
            ("robot$x:p", Ok("password robot$x p")),
            ("<token>:refresh", Ok("identity refresh")),
            ("  \n", Err(InvalidCredentials::Empty)),
            ("two words", Err(InvalidCredentials::SeveralWords)),
        ] {
            assert_eq!(parse(text, "host"), expected.map(ToOwned::to_owned), "{text}");
        }
    }

    #[test]
    fn keys_of_docker_configurations_are_matched() {
        let basic = STANDARD.encode("u:p:q");
        for (key, registry, matches) in [
            ("host", "host", true),
            ("HOST", "host", true),
            ("host:5000", "host:5000", true),
            ("host", "host:5000", false),
            ("https://host/", "host", true),
            ("https://host/v2/", "host", true),
            ("https://index.docker.io/v1/", "docker.io", true),
            ("docker.io", "registry-1.docker.io", true),
            ("host/team", "host", true),
            ("host/team/infra", "host", true),
            ("host/tea", "host", false),
            ("host/other", "host", false),
        ] {
            let text = format!(r#"{{"auths":{{"{key}":{{"auth":"{basic}"}}}}}}"#);
            let expected = if matches {
                Ok("password u p:q".to_owned())
            } else {
                Err(InvalidCredentials::NotThere(registry.to_owned()))
            };
            assert_eq!(parse(&text, registry), expected, "{key} for {registry}");
        }
    }

    #[test]
    fn the_longest_path_wins_and_every_form_is_read() {
        let text = r#"{"auths":{
            "host":{"username":"u","password":"p"},
            "host/team":{"identitytoken":"i","auth":"dTpw"},
            "host/team/infra":{"registrytoken":"r"}}}"#;
        assert_eq!(parse(text, "host").unwrap(), "token r");
        let text = r#"{"auths":{"host":{"username":"u","password":"p"},"host/team":{"identitytoken":"i"}}}"#;
        assert_eq!(parse(text, "host").unwrap(), "identity i");
        let text = r#"{"auths":{"host":{"username":"u","password":"p"}},"x":1}"#;
        assert_eq!(parse(text, "host").unwrap(), "password u p");
    }

    #[test]
    fn configurations_without_usable_credentials_say_why() {
        let host = || "host".to_owned();
        for (text, expected) in [
            (r#"{"auths":{"host":{}},"credsStore":"pass"}"#, InvalidCredentials::Helper(host())),
            (r#"{"credHelpers":{"host":"gcloud"}}"#, InvalidCredentials::Helper(host())),
            (r#"{"credHelpers":{"other":"x"}}"#, InvalidCredentials::NotThere(host())),
            (r#"{"auths":{"host":{"auth":"!"}}}"#, InvalidCredentials::NotThere(host())),
            ("{", InvalidCredentials::Config("line 1, column 1".to_owned())),
        ] {
            assert_eq!(parse(text, "host"), Err(expected), "{text}");
        }
    }

    #[test]
    fn helpers_are_found_by_the_registry() {
        let helper = |name: &str, server: &str| {
            Some(CredentialHelper { name: name.to_owned(), server: server.to_owned() })
        };
        for (text, expected) in [
            (r#"{"credHelpers":{"https://host":"gcloud"}}"#, helper("gcloud", "https://host")),
            (r#"{"credHelpers":{"host":"a"},"credsStore":"b"}"#, helper("a", "host")),
            (r#"{"credHelpers":{"other":"a"},"credsStore":"b"}"#, helper("b", "host")),
            (
                r#"{"auths":{"https://host/v2/":{}},"credsStore":"b"}"#,
                helper("b", "https://host/v2/"),
            ),
            (r#"{"credHelpers":{"other":"a"}}"#, None),
            (r#"{"credsStore":"../b"}"#, None),
            (r#"{"credsStore":""}"#, None),
            ("{", None),
        ] {
            assert_eq!(CredentialHelper::find(text, &"host".parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let namespace = "team".parse().unwrap();
        for text in ["canary", "user:canary", r#"{"auths":{"host":{"identitytoken":"canary"}}}"#] {
            let registry = "host".parse().unwrap();
            let credentials = Credentials::parse(text, &registry, &namespace).unwrap();
            assert!(!format!("{credentials:?}").contains("canary"));
        }
    }
}
