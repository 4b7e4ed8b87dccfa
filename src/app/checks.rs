//! What a configuration's own form cannot show: names that only a backend can judge, and files. All
//! of it at once, each with its key.

use std::io;
use std::path::Path;

use crate::app::admission::client_tokens;
use crate::app::backends::{repositories, token_hosts};
use crate::app::secrets;
use crate::config::settings::Settings;
use crate::error::Error;
use crate::gitea::settings::{GiteaToken, Organization};
use crate::http::check_ca_file;
use crate::oci::address::RegistryAddress;
use crate::oci::repository::Namespace;
use crate::oci::settings::read_credentials;

/// Something that would stop the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The section and key it is about, if it is about one.
    pub key: Option<(&'static str, &'static str)>,
    /// What is wrong, to stand behind the key.
    pub what: String,
}

/// Everything that is wrong with the values of the backends, and with what else is in files.
pub(super) fn of_values(settings: &Settings) -> Vec<Finding> {
    let mut found = Found { settings, findings: Vec::new() };
    found.gitea();
    found.oci();
    found.file("auth", "tokens_path", client_tokens);
    found.findings
}

struct Found<'a> {
    settings: &'a Settings,
    findings: Vec<Finding>,
}

impl Found<'_> {
    /// What a text means, if it is there; else its problem is one more finding.
    fn text<T, E: std::error::Error>(
        &mut self,
        section: &'static str,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match read(&self.settings.text(section, key)?) {
            Ok(value) => Some(value),
            Err(error) => {
                let causes = std::iter::successors(error.source(), |cause| cause.source());
                let causes: String = causes.map(|cause| format!(": {cause}")).collect();
                let what = format!("{error}{causes}");
                self.findings.push(Finding { key: Some((section, key)), what });
                None
            }
        }
    }

    /// The same for a file that it names.
    fn file<T, E: std::error::Error>(
        &mut self,
        section: &'static str,
        key: &'static str,
        read: impl FnOnce(&Path) -> Result<T, E>,
    ) {
        self.text(section, key, |path| read(Path::new(path)));
    }

    fn gitea(&mut self) {
        self.text("gitea", "url", str::parse::<url::Url>);
        self.text("gitea", "organization", str::parse::<Organization>);
        self.secret("gitea", "token_path", |path| GiteaToken::read(path).map(drop));
        self.upstream("gitea");
    }

    fn oci(&mut self) {
        let registry = self.text("oci", "registry", str::parse::<RegistryAddress>);
        let namespace = self.text("oci", "namespace", str::parse::<Namespace>);
        let listed = self.settings.list("oci", "repositories").unwrap_or_default();
        let hosts = self.settings.list("oci", "token_hosts").unwrap_or_default();
        let lists = [
            ("repositories", repositories(&listed).err()),
            ("token_hosts", token_hosts(&hosts).err()),
        ];
        for (key, error) in lists {
            let finding =
                |error: io::Error| Finding { key: Some(("oci", key)), what: error.to_string() };
            self.findings.extend(error.map(finding));
        }
        let place = registry.zip(namespace);
        self.secret("oci", "auth_token_path", |path| match &place {
            Some((registry, namespace)) => read_credentials(path, registry, namespace).map(drop),
            // Which credentials are meant cannot be told before.
            None => Ok(()),
        });
        self.upstream("oci");
    }

    fn upstream(&mut self, section: &'static str) {
        self.file(section, "ca_file", check_ca_file);
        self.file(section, "webhook_secret_path", secrets::word);
    }

    fn secret(
        &mut self,
        section: &'static str,
        key: &'static str,
        read: impl Fn(&Path) -> Result<(), Error>,
    ) {
        let readable = |path: &str| secrets::readable(Path::new(path));
        if self.text(section, key, readable).is_some() {
            self.file(section, key, read);
        }
    }
}
