//! Arguments of the commands.

use std::path::PathBuf;

use clap::Args;
use registry_core::models::backend_id::BackendName;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::constraint::Constraint;
use registry_core::models::naming::{ExtensionName, ExtensionType};
use registry_core::models::tag::Tag;
use registry_oci::realm::{TokenHost, host_of};

use crate::mirror::selection::MatchRule;
use crate::publish::target::PublishTarget;
use crate::reference::ExtensionReference;

/// Backends to ask.
#[derive(Clone, Debug, Default, Args)]
pub struct ScopeArgs {
    /// Ask only the backends of this kind: gitea, oci or local
    #[arg(long, value_name = "KIND")]
    pub source: Option<BackendKind>,
    /// Ask only the backend of this name
    #[arg(long, value_name = "NAME")]
    pub backend: Option<BackendName>,
}

impl ScopeArgs {
    /// Returns the parameters of the API for these backends.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let source = self.source.map(|kind| ("source", kind.as_str().to_owned()));
        let backend = self.backend.map(|name| ("backend", name.to_string()));
        source.into_iter().chain(backend).collect()
    }
}

/// `list`
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Only this type: provider, taskserv or cluster
    #[arg(long = "type", value_name = "TYPE")]
    pub extension_type: Option<ExtensionType>,
    /// Backends to ask
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Only extensions with this keyword; may be repeated
    #[arg(long, value_name = "KEYWORD")]
    pub keyword: Vec<String>,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// `search`
#[derive(Clone, Debug, Args)]
pub struct SearchArgs {
    /// Words that must all match
    #[arg(required = true, value_name = "WORD")]
    pub words: Vec<String>,
    /// Only this type: provider, taskserv or cluster
    #[arg(long = "type", value_name = "TYPE")]
    pub extension_type: Option<ExtensionType>,
    /// Backends to ask
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// At most this many
    #[arg(long, value_name = "N", default_value = "50")]
    pub limit: usize,
}

/// `show`
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// Extension, such as provider/aws or aws@1.2
    #[arg(value_name = "REF")]
    pub reference: ExtensionReference,
    /// Backends to ask
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Print the README
    #[arg(long, conflicts_with = "files")]
    pub readme: bool,
    /// List the files of the archive
    #[arg(long)]
    pub files: bool,
}

/// `versions`
#[derive(Clone, Debug, Args)]
pub struct VersionsArgs {
    /// Extension, such as provider/aws
    #[arg(value_name = "REF")]
    pub reference: ExtensionReference,
    /// Backends to ask
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// List pre-releases too
    #[arg(long)]
    pub pre: bool,
    /// Only versions in this range, such as ^1.2
    #[arg(long, value_name = "RANGE")]
    pub range: Option<Constraint>,
}

/// `resolve`
#[derive(Clone, Debug, Args)]
pub struct ResolveArgs {
    /// Extensions, such as provider/aws or 'aws@^1.2'
    #[arg(required = true, value_name = "REF")]
    pub references: Vec<ExtensionReference>,
    /// Backends to ask
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Let ranges pick pre-releases
    #[arg(long)]
    pub pre: bool,
}

/// `pull`
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub struct PullArgs {
    /// Extensions, such as provider/aws or 'aws@^1.2'; default: those of extensions.toml
    #[arg(value_name = "REF")]
    pub references: Vec<ExtensionReference>,
    /// Backends to ask
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Let ranges pick pre-releases
    #[arg(long)]
    pub pre: bool,
    /// Directory for the archives
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub to: PathBuf,
    /// Also unpack each archive into DIR/TYPE/NAME
    #[arg(long, value_name = "DIR")]
    pub extract: Option<PathBuf>,
    /// Fetch this file of the release instead of its archive
    #[arg(long, value_name = "NAME", requires = "references", conflicts_with = "extract")]
    pub asset: Option<String>,
    /// Number of archives that are fetched at once
    #[arg(long, value_name = "N", default_value = "4",
          value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Replace other files in the place
    #[arg(long)]
    pub force: bool,
    /// Print what would be fetched, and fetch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Use the lock as it is: fail if it is not current, and never write it
    #[arg(long)]
    pub locked: bool,
    /// Record the archives in this lock; needs no extensions.toml
    #[arg(long, value_name = "FILE", requires = "references",
          conflicts_with_all = ["locked", "asset"])]
    pub lock: Option<PathBuf>,
    /// Accept other bytes from another backend than the locked one
    #[arg(long)]
    pub accept_source: bool,
}

/// `add`
#[derive(Clone, Debug, Args)]
pub struct AddArgs {
    /// Extensions, such as provider/aws or 'aws@^1.2'
    #[arg(required = true, value_name = "REF")]
    pub references: Vec<ExtensionReference>,
    /// Backends to ask; written to extensions.toml
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Let ranges pick pre-releases; written to extensions.toml
    #[arg(long)]
    pub pre: bool,
}

/// `remove`
#[derive(Clone, Debug, Args)]
pub struct RemoveArgs {
    /// Extensions of extensions.toml, such as provider/aws or aws
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<ExtensionReference>,
}

/// `lock`
#[derive(Clone, Debug, Args)]
pub struct LockArgs {
    /// Print the difference, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Accept other bytes from another backend than the locked one
    #[arg(long)]
    pub accept_source: bool,
}

/// `update`
#[derive(Clone, Debug, Args)]
pub struct UpdateArgs {
    /// Extensions to update, such as provider/aws or aws; default: all
    #[arg(value_name = "NAME")]
    pub names: Vec<ExtensionReference>,
    /// Print the difference, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Accept other bytes from another backend than the locked one
    #[arg(long)]
    pub accept_source: bool,
}

/// `outdated`
#[derive(Clone, Debug, Args)]
pub struct OutdatedArgs {
    /// End with 7 if a newer version exists
    #[arg(long)]
    pub exit_code: bool,
}

/// `verify`
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Archives, directories with archives, or extracted directories
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Lock to compare with; default: extensions.lock beside extensions.toml
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
}

/// `diff`
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// Version to compare with
    #[arg(value_name = "FROM")]
    pub from: ExtensionReference,
    /// Version of the same extension
    #[arg(value_name = "TO")]
    pub to: ExtensionReference,
    /// Backends to ask
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// End with 7 if files differ
    #[arg(long)]
    pub exit_code: bool,
}

/// `explain`
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Extension, such as provider/aws
    #[arg(value_name = "REF")]
    pub reference: ExtensionReference,
}

/// `login`
#[derive(Clone, Debug, Args)]
pub struct LoginArgs {
    /// Read the token from standard input
    #[arg(long)]
    pub token_stdin: bool,
}

/// What is packed or published: the identity of a version. Flags win over `extension.toml`.
#[derive(Clone, Debug, Args)]
pub struct IdentityArgs {
    /// Type of the extension; default: type of extension.toml
    #[arg(long = "type", value_name = "TYPE")]
    pub extension_type: Option<ExtensionType>,
    /// Name of the extension; default: name of extension.toml
    #[arg(long, value_name = "NAME")]
    pub name: Option<ExtensionName>,
    /// Version, such as 1.2.0; default: version of extension.toml
    #[arg(long = "version", value_name = "VERSION")]
    pub version: Option<Tag>,
}

/// `pack`
#[derive(Clone, Debug, Args)]
pub struct PackArgs {
    /// Directory to pack
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Identity of the version
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// List the entries of the archive
    #[arg(long)]
    pub list: bool,
    /// File to write, of `-o FILE`; default: NAME-VERSION.tar.gz
    #[arg(skip)]
    pub file: Option<PathBuf>,
}

/// `publish`
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
#[expect(clippy::doc_markdown, reason = "help has no Markdown")]
pub struct PublishArgs {
    /// Directory to pack and publish, or an archive
    #[arg(value_name = "DIR|FILE")]
    pub source: PathBuf,
    /// local:PATH, oci://HOST[/PATH]/NAMESPACE or gitea://HOST[/PATH]/ORGANIZATION; oci+http and
    /// gitea+http for plain HTTP
    #[arg(long, value_name = "TARGET")]
    pub to: PublishTarget,
    /// Identity of the version
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Publish under a tag that is no version, such as nightly
    #[arg(long, value_name = "TAG", conflicts_with = "version")]
    pub tag: Option<Tag>,
    /// File with the notes of the version, in Markdown
    #[arg(long, value_name = "FILE")]
    pub notes: Option<PathBuf>,
    /// Time of the version (RFC 3339); default: $SOURCE_DATE_EPOCH, then extension.toml, then the
    /// commit of DIR, then now
    #[arg(long, value_name = "TIME")]
    pub created: Option<jiff::Timestamp>,
    /// Replace the version if it is there with other content
    #[arg(long)]
    pub replace: bool,
    /// Make the repository if it is missing (Gitea)
    #[arg(long)]
    pub create_repository: bool,
    /// Print what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait until the registry of --server shows the version
    #[arg(long)]
    pub no_wait: bool,
    /// Host that may get the credentials to make tokens of them, if it is not of the registry's
    /// domain; may be repeated
    #[arg(long, value_name = "HOST", value_parser = host_of)]
    pub token_host: Vec<TokenHost>,
    /// File with the token for the target, of `--token-file`
    #[arg(skip)]
    pub token_file: Option<PathBuf>,
}

/// `mirror`
#[derive(Clone, Debug, Args)]
pub struct MirrorArgs {
    /// Directory of image layouts to copy to; made if it is missing
    #[arg(long, value_name = "DIR", required_unless_present = "verify")]
    pub to: Option<PathBuf>,
    /// Only this type: provider, taskserv or cluster
    #[arg(long = "type", value_name = "TYPE")]
    pub extension_type: Option<ExtensionType>,
    /// Only this extension, or these versions of it, such as 'provider/aws@>=1.2'; may be repeated
    #[arg(long = "match", value_name = "REF")]
    pub rules: Vec<MatchRule>,
    /// Only what this lock names, exactly as it is locked
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["extension_type", "rules", "latest", "prune"])]
    pub lock: Option<PathBuf>,
    /// Only the newest versions of each extension, this many
    #[arg(long, value_name = "N")]
    pub latest: Option<usize>,
    /// Remove versions that the registry no longer has
    #[arg(long)]
    pub prune: bool,
    /// Ask again for what refers to versions that are there, such as new signatures
    #[arg(long)]
    pub referrers: bool,
    /// Number of versions that are copied at once
    #[arg(long, value_name = "N", default_value = "4",
          value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Print what would be copied, and copy nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Hash everything in this mirror instead; sends no request
    #[arg(long, value_name = "DIR", conflicts_with_all =
          ["to", "extension_type", "rules", "lock", "latest", "prune", "referrers", "dry_run"])]
    pub verify: Option<PathBuf>,
}
