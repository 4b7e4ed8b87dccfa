//! Files of repositories: tags and their commits, the folder at a commit, bytes of one file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};

use super::recorded::{Recording, exchange};
use super::state::{Repository, State};
use super::{Ask, Reply};

/// The root folder of a repository at one commit.
pub struct Tree {
    repository: String,
    /// The tag or branch that leads there.
    name: String,
    commit: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// The folder of the recorded exchanges.
    pub(super) fn recorded(recording: &'static Recording) -> Self {
        let commit = exchange(recording, "readme-contents").json()["last_commit_sha"].clone();
        Self {
            repository: "aws_prov".to_owned(),
            name: "main".to_owned(),
            commit: commit.as_str().unwrap().to_owned(),
            files: [("README.md".to_owned(), exchange(recording, "readme-raw").body())].into(),
        }
    }
}

impl State {
    /// Lets a tag or branch lead to a commit with these files.
    pub fn commit(&mut self, repository: &str, name: &str, files: &[(&str, &[u8])]) {
        self.trees.retain(|tree| tree.repository != repository || tree.name != name);
        self.trees.push(Tree {
            repository: repository.to_owned(),
            name: name.to_owned(),
            commit: sha1(format!("{repository} {name} {files:?}").as_bytes()),
            files: files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect(),
        });
    }

    /// The files that a tag or branch leads to.
    pub(super) fn files_at(&self, repository: &str, name: &str) -> Vec<(String, Vec<u8>)> {
        let tree =
            self.trees.iter().find(|tree| tree.repository == repository && tree.name == name);
        let files = tree.into_iter().flat_map(|tree| &tree.files);
        files.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
    }

    pub(super) fn tag(&self, repository: &Repository, name: &str) -> Reply {
        let Some(tree) = self.tree(repository, name).filter(|tree| tree.name == name) else {
            return self.error(404, "tag does not exist");
        };
        let url = format!("{}/api/v1/repos/{}", self.root_url, repository.name());
        Reply::json(
            200,
            &json!({"name": name, "message": "", "id": tree.commit,
                "commit": {"url": url, "sha": tree.commit, "created": "2026-11-23T18:04:10Z"},
                "zipball_url": url, "tarball_url": url}),
        )
    }

    /// `/contents`, and `/contents/{path}`: a reference that is not known is not found.
    pub(super) fn contents(&self, ask: &Ask, repository: &Repository, path: Option<&str>) -> Reply {
        let Some(tree) = self.tree(repository, ask.parameter("ref").unwrap_or("main")) else {
            return self.error(404, "object does not exist");
        };
        let Some(path) = path else {
            let rows = tree.files.iter().map(|(name, bytes)| self.row(name, bytes, false));
            return Reply::json(200, &rows.collect());
        };
        let file = tree.files.get(path).map(|bytes| self.row(path, bytes, true));
        file.map_or_else(|| self.error(404, "not found"), |row| Reply::json(200, &row))
    }

    /// `/raw/{path}`: of a reference that is not known, the default branch.
    pub(super) fn raw(&self, ask: &Ask, repository: &Repository, path: &str) -> Reply {
        let wanted = self.tree(repository, ask.parameter("ref").unwrap_or("main"));
        let Some(tree) = wanted.or_else(|| self.tree(repository, "main")) else {
            return self.no_such_file();
        };
        let Some(bytes) = tree.files.get(path) else { return self.error(404, "not found") };
        let mut reply = Reply::text(200, "");
        reply.headers.push(("Etag", format!("\"{}\"", blob_sha(bytes))));
        Reply { body: bytes.clone(), ..reply }
    }

    /// Of a repository without a commit: 1.22 and Forgejo 9 fail over it.
    fn no_such_file(&self) -> Reply {
        self.error(self.exchange("readme-missing").status(), "repository is empty")
    }

    fn row(&self, name: &str, bytes: &[u8], with_content: bool) -> Value {
        let mut row = self.exchange("readme-contents").json();
        row["name"] = json!(name);
        row["path"] = json!(name);
        row["type"] = json!(if name.ends_with('/') { "dir" } else { "file" });
        row["sha"] = json!(blob_sha(bytes));
        row["size"] = json!(bytes.len());
        if !with_content {
            row["content"] = Value::Null;
            row["encoding"] = Value::Null;
        }
        row
    }

    /// A branch goes before a tag of its name; the branch was committed last.
    fn tree(&self, repository: &Repository, name: &str) -> Option<&Tree> {
        let ours = self.trees.iter().filter(|tree| tree.repository == repository.name());
        ours.into_iter().rfind(|tree| tree.name == name || tree.commit == name)
    }
}

fn blob_sha(bytes: &[u8]) -> String {
    sha1(&[format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat())
}

fn sha1(bytes: &[u8]) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}
