//! Builds admission control from the configuration.

use std::io;
use std::path::Path;
use std::sync::Arc;

use registry_core::files;
use registry_core::token_bucket::Rate;
use registry_server::edge::admission::{Admission, guesses};
use registry_server::edge::auth::{ClientAuth, ClientTokens, InvalidTokens};
use registry_server::edge::client_address::TrustedProxies;
use registry_server::edge::client_concurrency::{ClientConcurrency, Share};
use registry_server::edge::rate_limit::RateLimiter;
use registry_server::edge::request_limit::RequestLimit;

use crate::app::rotation::Rotated;
use crate::app::secrets;
use crate::config::Config;

pub(super) const TOKENS: &str = "auth.tokens_path";

pub(super) fn of(config: &Config) -> io::Result<(Admission, Option<Rotated>)> {
    let tokens = config.auth.as_ref().map(|auth| {
        let path = auth.tokens_path.clone();
        let tokens = secrets::check(TOKENS, &path).and_then(|()| client_tokens(&path));
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{TOKENS}: {error}"));
        tokens.map_err(named).map(|tokens| (Arc::new(ClientAuth::new(tokens)), path))
    });
    let tokens = tokens.transpose()?;
    let rate = config
        .rate_limit
        .map(|limit| Rate { per_second: limit.requests_per_second, burst: limit.burst });
    let concurrency = config.rate_limit.map(|limit| ClientConcurrency::new(limit.concurrent));
    let is_shared = config.shared.is_some();
    let limiter = |limiter: RateLimiter| if is_shared { limiter.shared() } else { limiter };
    let admission = Admission {
        auth: tokens.as_ref().map(|(auth, _)| Arc::clone(auth)),
        guesses: limiter(guesses(rate)),
        rate: rate.map(RateLimiter::new).map(limiter),
        concurrency,
        share: Some(Share::new(config.server.requests_per_client())),
        proxies: TrustedProxies::new(config.server.trusted_proxies.clone()),
        requests: RequestLimit::of(config.server.max_requests),
    };
    let rotated = tokens.map(|(auth, path)| {
        let file = path.clone();
        let renew = move || {
            let tokens = client_tokens(&file).map_err(|error| error.to_string())?;
            auth.replace(tokens);
            Ok(())
        };
        Rotated { key: TOKENS.to_owned(), path, renew: Box::new(renew) }
    });
    Ok((admission, rotated))
}

/// Errors name the file, and nothing from its content.
pub(super) fn client_tokens(path: &Path) -> io::Result<ClientTokens> {
    secrets::readable(path)?;
    let text = files::text_named(path, secrets::FILE_MAX).map_err(|error| {
        io::Error::new(error.kind(), format!("{} cannot be read: {error}", path.display()))
    })?;
    text.parse().map_err(|problem: InvalidTokens| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {problem}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::http::header::AUTHORIZATION;
    use axum::http::{HeaderMap, HeaderValue};
    use jiff::Timestamp;
    use registry_core::models::digest::Digest;

    use super::*;
    use crate::config::{Sources, load};

    fn line(client: &str, token: &str) -> String {
        format!("{client} {}\n", Digest::sha256(token.as_bytes()).hex())
    }

    fn lets_in(admission: &Admission, token: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(token))]);
        admission.auth.as_ref().unwrap().client(&headers, Timestamp::UNIX_EPOCH).is_ok()
    }

    #[test]
    fn a_changed_file_of_tokens_is_used_and_a_damaged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let [file, tokens] = ["config.toml", "tokens"].map(|name| dir.path().join(name));
        let text = format!("[local]\npath = \"x\"\n[auth]\ntokens_path = {tokens:?}\n");
        fs::write(&file, text).unwrap();
        fs::write(&tokens, line("ci", "a")).unwrap();
        let config = load(&Sources { file: Some(&file), ..Sources::default() }).unwrap();
        let (admission, rotated) = of(&config).unwrap();
        let renew = rotated.unwrap().renew;
        assert!(lets_in(&admission, "Bearer a") && !lets_in(&admission, "Bearer b"));
        fs::write(&tokens, line("ci", "a") + &line("ui", "b")).unwrap();
        assert_eq!(renew(), Ok(()));
        assert!(lets_in(&admission, "Bearer a") && lets_in(&admission, "Bearer b"));
        for damaged in ["", "ci", &line("c c", "a")] {
            fs::write(&tokens, damaged).unwrap();
            assert!(renew().unwrap_err().starts_with(&tokens.display().to_string()));
            assert!(lets_in(&admission, "Bearer b"), "what was known holds on");
        }
        assert!(of(&config).is_err(), "a start refuses it");
    }
}
