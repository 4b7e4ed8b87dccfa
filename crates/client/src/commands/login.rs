//! `login` and `logout`.

use std::io::{self, Read as _};
use std::path::Path;

use console::Term;
use registry_public::extension::ExtensionBody;
use registry_public::paths::Target;
use secrecy::SecretString;

use crate::cli::arguments::LoginArgs;
use crate::context::Context;
use crate::failure::{ClientFailure, Result};
use crate::http::Registry;
use crate::settings::{StoredCredentials, parse_token};

/// Longest token with white space around it, in bytes.
const TOKEN_MAX: u64 = 64 * 1024;

/// Checks a token, and keeps it for the origin of the registry.
pub(super) async fn login(args: &LoginArgs, context: &Context) -> Result<()> {
    let server = context.registry.server();
    if !server.is_private() {
        return Err(server.in_the_clear());
    }
    let directory = directory(context)?;
    let token = read(args, server.url.origin())?;
    let registry = Registry::with_token(&context.settings, Some(token.clone()))?;
    let question = Target::new("/extensions").with("limit", "0");
    registry.get::<Vec<ExtensionBody>>(&question).await?;
    let mut credentials = StoredCredentials::read(directory)?;
    credentials.set(server.url.origin(), &token);
    credentials.write()?;
    context.tell(&format!("the token for {} is kept", server.url.origin()));
    Ok(())
}

/// Forgets the token for the origin of the registry.
pub(super) fn logout(context: &Context) -> Result<()> {
    let origin = context.registry.server().url.origin();
    let mut credentials = StoredCredentials::read(directory(context)?)?;
    if credentials.remove(origin) {
        credentials.write()?;
        context.tell(&format!("the token for {origin} is forgotten"));
    } else {
        context.tell(&format!("no token for {origin} was kept"));
    }
    Ok(())
}

fn directory(context: &Context) -> Result<&Path> {
    context.settings.config_directory.as_deref().ok_or_else(|| {
        ClientFailure::usage(
            "there is no place for the token: HOME and XDG_CONFIG_HOME are not set",
        )
        .hint("set HOME, or use --token-file")
    })
}

/// Reads the token from standard input, or from the terminal without showing it.
fn read(args: &LoginArgs, origin: &str) -> Result<SecretString> {
    let unread =
        |error: io::Error| ClientFailure::failed(format!("the token cannot be read: {error}"));
    if args.token_stdin {
        let mut text = String::new();
        io::stdin().take(TOKEN_MAX).read_to_string(&mut text).map_err(unread)?;
        return parse_token(&text, "standard input");
    }
    let terminal = Term::stderr();
    if !terminal.is_term() {
        let failure = ClientFailure::usage("there is no terminal to ask for the token");
        return Err(failure.hint("extreg login --token-stdin <FILE"));
    }
    terminal.write_str(&format!("Token for {origin}: ")).map_err(unread)?;
    parse_token(&terminal.read_secure_line().map_err(unread)?, "the terminal")
}
