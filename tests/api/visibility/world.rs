//! Three backends that hold what may be seen, and beside it all that may not.

use std::path::Path;
use std::sync::Arc;

use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::local::backend::LocalBackend;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::ids::id;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::{Store, manifest_of};
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::json;
use tempfile::TempDir;

use crate::support::layouts::{publish, publish_with};
use registry_testing::archives::{File, tar};

/// Stands in every text and in all bytes of what nobody may see, and in nothing else.
pub(super) const UNSEEN: &str = "wombat";
/// The extensions that are shown, each with its version 1.0.0 alone.
pub(super) const SHOWN: [&str; 3] = ["shown", "seen", "plain"];
/// What the archives of all that is shown hold.
const SEEN: &str = "seen";
/// Tags that are no releases, whatever they carry.
const HIDDEN: [&str; 3] = ["latest", "sha256-0123", "1.0.0.sig"];

/// What is asked for: a release of an extension, or a file of one.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) version: String,
    /// A file by the id that its backend gave it.
    pub(super) file: String,
    pub(super) shown: bool,
}

/// `provider/aws`, a tag, and the file's id.
fn entry(extension: &'static str, version: &str, file: &str, shown: bool) -> Entry {
    let (kind, name) = extension.split_once('/').unwrap();
    Entry { kind, name, version: version.to_owned(), file: file.to_owned(), shown }
}

pub(super) struct World {
    gitea: FakeGitea,
    registry: ScriptedRegistry,
    layouts: TempDir,
    pub(super) entries: Vec<Entry>,
}

impl World {
    pub(super) async fn new() -> Self {
        let mut entries = vec![entry("provider/nowhere", "1.0.0", "none", false)];
        let gitea = FakeGitea::start(organization(&mut entries)).await;
        let played = PlayedRegistry::new(Dialect::Zot, namespace(&mut entries));
        let registry = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
        let layouts = tempfile::tempdir().unwrap();
        directory(layouts.path(), &mut entries);
        Self { gitea, registry, layouts, entries }
    }

    /// Backends that have asked nothing yet, with rights that show us drafts and what is private.
    pub(super) fn backends(&self) -> Vec<Arc<dyn Backend>> {
        let settings = GiteaSettings::new(self.gitea.url(), ORGANIZATION.parse().unwrap());
        let settings = GiteaSettings { token: Some(self.gitea.token("<admin>")), ..settings };
        let namespace = "provisioning".parse().unwrap();
        let oci = OciSettings::new(self.registry.url().parse().unwrap(), namespace);
        vec![
            Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap()),
            Arc::new(OciBackend::new(oci, Arc::new(())).unwrap()),
            Arc::new(LocalBackend::new(BackendId::LOCAL, self.layouts.path())),
        ]
    }
}

/// An archive of one file with this text, which is not compressed.
fn archive(text: &str) -> Vec<u8> {
    tar(&[File::new("main.k", text)])
}

fn digest(text: &str) -> String {
    Digest::sha256(&archive(text)).to_string()
}

fn organization(entries: &mut Vec<Entry>) -> State {
    let mut state = State::empty();
    state.create("shown_prov", "seen");
    let file = released(&mut state, "shown_prov", "1.0.0", SEEN);
    entries.push(entry("provider/shown", "1.0.0", &file, true));
    for tag in ["2.0.0"].iter().chain(&HIDDEN) {
        let file = released(&mut state, "shown_prov", tag, UNSEEN);
        entries.push(entry("provider/shown", tag, &file, false));
    }
    released(&mut state, "shown_prov", "3.0.0", "");
    entries.push(entry("provider/shown", "3.0.0", "", false));
    draft(&mut state, "shown_prov", "2.0.0");
    for (repository, extension, text) in [
        ("draft_prov", "provider/draft", UNSEEN),
        ("bare_prov", "provider/bare", ""),
        ("foreign_prov", "provider/foreign", UNSEEN),
        ("moved_prov", "provider/moved", UNSEEN),
        ("docs", "provider/docs", UNSEEN),
    ] {
        state.create(repository, UNSEEN);
        let file = released(&mut state, repository, "1.0.0", text);
        entries.push(entry(extension, "1.0.0", &file, false));
        // Nor is a file of theirs one of what is shown.
        entries.push(entry("provider/shown", "1.0.0", &file, false));
    }
    draft(&mut state, "draft_prov", "1.0.0");
    let strangers = json!({"id": 4711, "login": "strangers"});
    state.repository_mut("foreign_prov").json["owner"] = strangers.clone();
    // Not listed, and where a question for it was redirected to.
    state.repository_mut("moved_prov").json["owner"] = strangers;
    state.repository_mut("moved_prov").hidden = true;
    // Named by `/health`, to clients alone.
    state.create("off_prov", UNSEEN);
    state.repository_mut("off_prov").json["has_releases"] = json!(false);
    state
}

/// Publishes a release with an archive of this text, or without one; answers the archive's id.
fn released(state: &mut State, repository: &str, tag: &str, text: &str) -> String {
    let words = if text == SEEN { "seen" } else { UNSEEN };
    let archive = archive(text);
    let file = format!("{repository}.tar.gz");
    let files: &[(&str, &[u8])] = if text.is_empty() { &[] } else { &[(&file, &archive)] };
    state.commit(repository, tag, &[("README.md", words.as_bytes())]);
    let file = state.publish(repository, tag, files).pop();
    let release = &mut state.repository_mut(repository).releases[0];
    release["body"] = json!(words);
    release["author"]["login"] = json!(words);
    file.unwrap_or_default()
}

fn draft(state: &mut State, repository: &str, tag: &str) {
    let releases = &mut state.repository_mut(repository).releases;
    releases.iter_mut().find(|one| one["tag_name"] == tag).unwrap()["draft"] = json!(true);
}

fn namespace(entries: &mut Vec<Entry>) -> Store {
    let mut store = Store::default();
    let seen = "provisioning/seen-taskserv";
    let shown = store.push(seen, "1.0.0", &archive(SEEN));
    entries.push(entry("taskserv/seen", "1.0.0", &digest(SEEN), true));
    // An alias of it.
    store.repositories.get_mut(seen).unwrap().tags.push(("1.0".to_owned(), shown));
    entries.push(entry("taskserv/seen", "1.0", "none", false));
    let file = digest(UNSEEN);
    for tag in HIDDEN {
        store.push(seen, tag, &archive(UNSEEN));
        entries.push(entry("taskserv/seen", tag, &file, false));
    }
    let mut bare = manifest_of(&[]);
    bare["annotations"]["org.opencontainers.image.description"] = json!(UNSEEN);
    bare["annotations"]["io.artifacthub.package.readme"] = json!(UNSEEN);
    // Of older versions no more is read than has to be.
    for (repository, extension, tag) in
        [(seen, "taskserv/seen", "0.9.0"), ("provisioning/bare-taskserv", "taskserv/bare", "1.0.0")]
    {
        store.push_manifest(repository, tag, &bare);
        entries.push(entry(extension, tag, "none", false));
    }
    for (repository, extension) in [
        ("provisioningx/near-taskserv", "taskserv/near"),
        ("provisioning/sub/deep-taskserv", "taskserv/deep"),
        ("root-taskserv", "taskserv/root"),
        ("provisioning/chart", "taskserv/chart"),
    ] {
        store.push(repository, "1.0.0", &archive(UNSEEN));
        entries.push(entry(extension, "1.0.0", &file, false));
        entries.push(entry("taskserv/seen", "1.0.0", &file, false));
    }
    store
}

fn directory(root: &Path, entries: &mut Vec<Entry>) {
    let file = digest(UNSEEN);
    publish(root, &id("cluster/plain"), "1.0.0", "seen", &archive(SEEN));
    entries.push(entry("cluster/plain", "1.0.0", &digest(SEEN), true));
    for tag in HIDDEN {
        publish(root, &id("cluster/plain"), tag, UNSEEN, &archive(UNSEEN));
        entries.push(entry("cluster/plain", tag, &file, false));
    }
    let described = ("org.opencontainers.image.description", UNSEEN);
    for (extension, tag) in [("cluster/plain", "0.9.0"), ("cluster/naked", "1.0.0")] {
        publish_with(root, &id(extension), tag, described, &[]);
        entries.push(entry(extension, tag, "none", false));
    }
    // Beside the directory that is served, by its name.
    publish(&root.join("inner"), &id("cluster/inner"), "1.0.0", UNSEEN, &archive(UNSEEN));
    entries.push(entry("cluster/inner", "1.0.0", &file, false));
}
