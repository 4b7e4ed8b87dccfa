//! What a fake Gitea has: an organization, repositories, releases, tokens, a feed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};

use super::recorded::{Exchange, GITEA, Recording, exchange};
use super::trees::Tree;

/// The account that owns everything here.
pub const ORGANIZATION: &str = "provisioning-extensions";

/// All that a server answers from.
pub struct State {
    /// The server that this one answers like.
    pub(super) recording: &'static Recording,
    /// Where the server believes to be: never where it is.
    pub root_url: String,
    pub sub_path: String,
    pub organization: String,
    /// The number of the organization, which a rename does not change.
    pub organization_number: i64,
    /// Whether only its members see the organization.
    pub private_organization: bool,
    /// The former name of the organization, if it was renamed.
    pub former_organization: Option<String>,
    pub sign_in_required: bool,
    pub max_items: usize,
    pub repositories: Vec<Repository>,
    /// Repositories of an organization that gave up its name: they can be asked for by number.
    pub moved_away: Vec<Repository>,
    /// Former names of repositories.
    pub renamed: BTreeMap<String, String>,
    pub tokens: BTreeMap<String, Rights>,
    /// Newest second first; inside a second oldest first.
    pub feed: Vec<Value>,
    /// Bytes of attachments, where they are not made up from the uuid.
    pub files: HashMap<String, Vec<u8>>,
    /// Folders of repositories by tag and commit.
    pub trees: Vec<Tree>,
    /// A store elsewhere that downloads are redirected to.
    pub store: Option<String>,
    /// Encodes what is no archive by its name, as `ENABLE_GZIP` does.
    pub gzip: bool,
    /// Waited before each answer.
    pub latency: Duration,
    /// Who may change something.
    pub publisher: Option<Publisher>,
    /// The endings of files that releases may have, as `[repository.release] ALLOWED_TYPES` has them.
    pub allowed_types: Option<Vec<&'static str>>,
    next: i64,
}

/// An account that publishes.
#[derive(Clone)]
pub struct Publisher {
    pub name: String,
    pub token: String,
    /// Scopes of the token; those for writing include those for reading.
    pub scopes: Vec<&'static str>,
    /// Whether the account's team may write to repositories.
    pub pushes: bool,
}

impl Publisher {
    /// An account that may do everything.
    pub fn new(name: &str, token: &str) -> Self {
        let scopes = vec!["write:organization", "write:repository"];
        Self { name: name.to_owned(), token: token.to_owned(), scopes, pushes: true }
    }
}

/// What a token may do.
#[derive(Clone, Default)]
pub struct Rights {
    pub scopes: Vec<&'static str>,
    /// Sees private repositories.
    pub member: bool,
    /// Sees drafts in lists.
    pub writer: bool,
}

pub struct Repository {
    pub json: Value,
    pub releases: Vec<Value>,
    /// Counted in totals and taken out of pages afterwards.
    pub hidden: bool,
    /// Whether the caller's team may not read its releases, which its row does not tell.
    pub refused: bool,
    /// Topics that its row does not show.
    pub topics: Option<Vec<String>>,
    /// Releases that were deleted: their rows stay as those of their tags, with their numbers.
    pub tag_rows: BTreeMap<String, i64>,
}

impl State {
    /// An organization without repositories.
    pub fn empty() -> Self {
        Self::empty_as(&GITEA)
    }

    /// The same of a server that answers like the recorded one.
    pub fn empty_as(recording: &'static Recording) -> Self {
        let reader = vec!["read:organization", "read:repository"];
        let rights = |scopes: &[&'static str], member, writer| Rights {
            scopes: scopes.to_vec(),
            member,
            writer,
        };
        let tokens = [
            ("<read>", rights(&reader, true, false)),
            ("<weak>", rights(&["read:misc"], true, false)),
            ("<stranger>", rights(&reader, false, false)),
            ("<reader>", rights(&reader, true, false)),
            ("<orgonly>", rights(&["read:organization"], true, false)),
            ("<admin>", rights(&reader, true, true)),
        ];
        let swagger = exchange(recording, "repo-missing").json()["url"].clone();
        let root_url = swagger.as_str().unwrap().trim_end_matches("/api/swagger").to_owned();
        Self {
            recording,
            root_url,
            sub_path: String::new(),
            organization: ORGANIZATION.to_owned(),
            organization_number: 2,
            private_organization: false,
            former_organization: None,
            sign_in_required: false,
            max_items: 50,
            repositories: Vec::new(),
            moved_away: Vec::new(),
            renamed: BTreeMap::new(),
            tokens: tokens.map(|(name, rights)| (name.to_owned(), rights)).into(),
            feed: Vec::new(),
            files: HashMap::new(),
            trees: Vec::new(),
            store: None,
            gzip: false,
            latency: Duration::ZERO,
            publisher: None,
            allowed_types: None,
            next: 10_000,
        }
    }

    /// The organization of the recorded exchanges.
    pub fn recorded() -> Self {
        Self::recorded_as(&GITEA)
    }

    /// The same as another server has it.
    pub fn recorded_as(recording: &'static Recording) -> Self {
        let mut state = Self::empty_as(recording);
        state.take_repositories("org-repos-all-read");
        for one in recording.iter().filter(|one| one.method() == "GET" && one.status() == 200) {
            state.take_releases(one.target(), one);
            state.take_topics(one);
        }
        state.trees.push(Tree::recorded(recording));
        state.renamed.insert("old_prov".to_owned(), "gcp_prov".to_owned());
        let feed = state.exchange("feed").json();
        feed.as_array().unwrap().clone_into(&mut state.feed);
        for id in ["download-upcloud", "download-sha256", "download-private-read"] {
            let file = state.exchange(id);
            let uuid = file.header("Etag").unwrap().trim_matches('"').to_owned();
            state.files.insert(uuid, file.body());
        }
        state
    }

    /// The private organization that some of the exchanges are about.
    pub fn recorded_privately(recording: &'static Recording) -> Self {
        let mut state = Self::empty_as(recording);
        "field-org".clone_into(&mut state.organization);
        state.organization_number = 5;
        state.private_organization = true;
        state.take_repositories("field-repos");
        for id in ["field-releases", "field-topics"] {
            let one = state.exchange(id);
            state.take_releases(one.target(), one);
            state.take_topics(one);
        }
        let feed = state.exchange("field-feed").json();
        feed.as_array().unwrap().clone_into(&mut state.feed);
        state
    }

    pub(super) fn exchange(&self, id: &str) -> &'static Exchange {
        exchange(self.recording, id)
    }

    fn take_repositories(&mut self, id: &str) {
        let all = self.exchange(id).json();
        self.repositories = all.as_array().unwrap().iter().cloned().map(Repository::new).collect();
    }

    fn take_topics(&mut self, exchange: &Exchange) {
        let Some(front) = exchange.target().strip_suffix("/topics") else { return };
        let name = front.rsplit('/').next().unwrap().to_owned();
        let known = self.repositories.iter_mut().find(|one| one.name() == name);
        if let Some(repository) = known {
            repository.topics = serde_json::from_value(exchange.json()["topics"].clone()).unwrap();
        }
    }

    /// Takes what an exchange tells of releases: a list, or one of them.
    fn take_releases(&mut self, target: &str, exchange: &Exchange) {
        let path = target.split('?').next().unwrap();
        let Some((front, rest)) = path.split_once("/releases") else { return };
        if !front.starts_with("/api/") || rest.starts_with("/latest") {
            return;
        }
        let name = front.rsplit('/').next().unwrap();
        let json = exchange.json();
        let rows = json.as_array().cloned().unwrap_or_else(|| vec![json]);
        let known = |one: &&mut Repository| one.name() == name;
        let Some(repository) = self.repositories.iter_mut().find(known) else { return };
        for row in rows {
            if !repository.releases.iter().any(|known| known["id"] == row["id"]) {
                repository.releases.push(row);
            }
        }
    }

    /// The repository of this name, however spelled.
    pub fn repository_mut(&mut self, name: &str) -> &mut Repository {
        let same = |one: &&mut Repository| one.name().eq_ignore_ascii_case(name);
        self.repositories.iter_mut().find(same).unwrap()
    }

    /// A new public repository, described in `description`.
    pub fn create(&mut self, name: &str, description: &str) {
        let mut json = self.exchange("repo-aws").json();
        json["id"] = json!(self.number());
        json["name"] = json!(name);
        json["full_name"] = json!(format!("{}/{name}", self.organization));
        json["owner"]["login"] = json!(self.organization);
        json["owner"]["id"] = json!(self.organization_number);
        json["description"] = json!(description);
        json["release_counter"] = json!(0);
        if let Some(topics) = json.get_mut("topics") {
            *topics = json!([]);
        }
        self.repositories.push(Repository::new(json));
    }

    /// A new release with these assets; answers their uuids.
    pub fn publish(&mut self, name: &str, tag: &str, assets: &[(&str, &[u8])]) -> Vec<String> {
        let mut json = self.exchange("tag-aws").json();
        json["id"] = json!(self.number());
        json["tag_name"] = json!(tag);
        let rows: Vec<Value> =
            assets.iter().map(|(name, bytes)| self.new_asset(name, bytes)).collect();
        let uuid = |row: &Value| row["uuid"].as_str().unwrap().to_owned();
        let uuids = rows.iter().map(uuid).collect();
        json["assets"] = json!(rows);
        let repository = self.repository_mut(name);
        repository.releases.insert(0, json);
        let counter = &mut repository.json["release_counter"];
        *counter = json!(counter.as_i64().unwrap() + 1);
        uuids
    }

    /// A new repository with one release whose archive holds these bytes; answers its uuid.
    pub fn create_released(&mut self, name: &str, tag: &str, bytes: &[u8]) -> String {
        self.create(name, "made for a test");
        self.publish(name, tag, &[(&format!("{name}.tar.gz"), bytes)]).remove(0)
    }

    /// A new entry of the feed, at this second of the year 2027.
    pub fn happened(&mut self, op_type: &str, name: &str, second: i64) {
        let mut json = self.exchange("feed").json()[0].clone();
        let repository = self.repository_mut(name).json.clone();
        json["id"] = json!(self.number());
        json["op_type"] = json!(op_type);
        json["repo_id"] = repository["id"].clone();
        json["repo"] = repository;
        let at = jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
        json["created"] = json!(at.to_string());
        self.feed.push(json);
    }

    /// The row of a new file.
    pub(super) fn new_asset(&mut self, name: &str, bytes: &[u8]) -> Value {
        let uuid = self.store_file(bytes);
        let url = format!("{}/attachments/{uuid}", self.root_url);
        json!({"id": self.number(), "name": name, "size": bytes.len(), "download_count": 0,
            "created_at": "2026-11-23T18:04:10Z", "uuid": uuid, "browser_download_url": url})
    }

    fn store_file(&mut self, bytes: &[u8]) -> String {
        let uuid = format!("00000000-0000-4000-8000-{:012}", self.number());
        self.files.insert(uuid.clone(), bytes.to_vec());
        uuid
    }

    fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }
}

impl Repository {
    fn new(json: Value) -> Self {
        Self {
            json,
            releases: Vec::new(),
            hidden: false,
            refused: false,
            topics: None,
            tag_rows: BTreeMap::new(),
        }
    }

    pub fn name(&self) -> &str {
        self.json["name"].as_str().unwrap()
    }

    pub fn is_private(&self) -> bool {
        self.json["private"] == true
    }
}
