//! The file `credentials.toml`: tokens by the origin that they are for, readable by its owner alone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::failure::{ClientFailure, Result};

const NAME: &str = "credentials.toml";
const ORIGINS: &str = "origins";
const TOKEN: &str = "token";

/// Tokens by origin.
pub struct StoredCredentials {
    path: PathBuf,
    document: DocumentMut,
}

impl StoredCredentials {
    /// Reads the file of a directory. A missing file has no tokens.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(NAME);
        let name = path.display();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(ClientFailure::usage(format!("{name} cannot be read: {error}")));
            }
        };
        // The message of the parser shows the line, which may be a token.
        let document = text.parse().map_err(|_| {
            ClientFailure::usage(format!("{name} is not TOML"))
                .hint(format!("remove {name} and log in"))
        })?;
        Ok(Self { path, document })
    }

    /// Returns the token for an origin.
    #[must_use]
    pub fn token(&self, origin: &str) -> Option<SecretString> {
        let token = self.document.get(ORIGINS)?.get(origin)?.get(TOKEN)?.as_str()?;
        Some(SecretString::from(token.to_owned()))
    }

    /// Sets the token for an origin.
    pub fn set(&mut self, origin: &str, token: &SecretString) {
        let mut entry = Table::new();
        entry.insert(TOKEN, value(token.expose_secret()));
        if let Some(origins) = self.origins() {
            origins.insert(origin, Item::Table(entry));
        }
    }

    /// Removes the token for an origin. Returns false if it is missing.
    pub fn remove(&mut self, origin: &str) -> bool {
        self.origins().is_some_and(|origins| origins.remove(origin).is_some())
    }

    fn origins(&mut self) -> Option<&mut Table> {
        let mut origins = Table::new();
        origins.set_implicit(true);
        self.document.entry(ORIGINS).or_insert(Item::Table(origins)).as_table_mut()
    }

    /// Writes the file anew, with mode 600.
    pub fn write(&self) -> Result<()> {
        let written = self.replace();
        written.map_err(|error| {
            ClientFailure::failed(format!("{} cannot be written: {error}", self.path.display()))
        })
    }

    fn replace(&self) -> std::io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let temporary = self.path.with_extension("toml.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(self.document.to_string().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_kept_by_origin_and_readable_by_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let mut credentials = StoredCredentials::read(dir.path()).unwrap();
        assert!(credentials.token("https://a").is_none());
        credentials.set("https://a", &"one".to_owned().into());
        credentials.set("https://a:444", &"two".to_owned().into());
        credentials.write().unwrap();
        let mut read = StoredCredentials::read(dir.path()).unwrap();
        assert_eq!(read.token("https://a:444").unwrap().expose_secret(), "two");
        assert!(read.token("http://a").is_none(), "another origin");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let metadata = std::fs::metadata(dir.path().join(NAME)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
        assert!(read.remove("https://a") && !read.remove("https://a"));
        read.write().unwrap();
        assert!(StoredCredentials::read(dir.path()).unwrap().token("https://a").is_none());
    }
}
