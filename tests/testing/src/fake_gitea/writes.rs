//! What publishers ask for: repositories, topics, files, releases and their assets. Bodies have the
//! fields of Gitea's own description of its API and no others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Repository, Rights, State};
use super::{Ask, Reply};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRepository {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    auto_init: bool,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTopics {
    topics: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateFile {
    content: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRelease {
    tag_name: String,
    #[serde(default)]
    target_commitish: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditRelease {
    name: Option<String>,
    body: Option<String>,
    draft: Option<bool>,
    prerelease: Option<bool>,
}

/// A body of this shape, or the refusal that Gitea has for any other.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Reply> {
    serde_json::from_slice(body)
        .map_err(|error| Reply::json(422, &json!({"message": error.to_string()})))
}

impl State {
    /// The answer to a request that changes something; `None` on a server without a publisher.
    pub(super) fn write(&mut self, ask: &Ask, body: &[u8]) -> Option<Reply> {
        let login = self.publisher.clone()?;
        let authorized = ask.headers.get("authorization")?.to_str().ok()?;
        if authorized != format!("token {}", login.token) {
            return Some(self.error(401, "invalid username, password or token"));
        }
        let path = ask.path.strip_prefix(&self.sub_path)?.strip_prefix("/api/v1/")?.to_owned();
        let segments: Vec<&str> = path.split('/').collect();
        let scope = match segments.first() {
            Some(&"orgs") => "write:organization",
            _ => "write:repository",
        };
        if !login.scopes.contains(&scope) {
            let rights = Rights { scopes: login.scopes, ..Rights::default() };
            return Some(self.error(403, &self.lacks(scope, &rights)));
        }
        let ours = segments.get(1).is_some_and(|owner| *owner == self.organization);
        if !ours {
            return Some(self.error(404, "not found"));
        }
        if let ["repos", _, name, ..] = segments.as_slice()
            && let Err(refusal) = self.may_write(name, login.pushes)
        {
            return Some(refusal);
        }
        let done = match (ask.method.as_str(), segments.as_slice()) {
            ("POST", ["orgs", _, "repos"]) => self.create_repository(body),
            ("PUT", ["repos", _, name, "topics"]) => self.set_topics(name, body),
            ("POST", ["repos", _, name, "contents", file]) => self.create_file(name, file, body),
            ("POST", ["repos", _, name, "releases"]) => {
                self.create_release(name, &login.name, body)
            }
            ("POST", ["repos", _, name, "releases", id, "assets"]) => {
                self.create_asset(ask, name, id, body)
            }
            ("PATCH", ["repos", _, name, "releases", id]) => self.edit_release(name, id, body),
            ("DELETE", ["repos", _, name, "releases", id]) => self.delete_release(name, id),
            ("DELETE", ["repos", _, name, "releases", id, "assets", asset]) => {
                self.delete_asset(name, id, asset)
            }
            _ => Err(self.error(404, "not found")),
        };
        Some(done.unwrap_or_else(|refusal| refusal))
    }

    /// Refuses what is missing, archived, or of others.
    fn may_write(&self, name: &str, pushes: bool) -> Result<(), Reply> {
        let same = |one: &&Repository| one.name().eq_ignore_ascii_case(name);
        let found = self.repositories.iter().find(same);
        let repository = found.ok_or_else(|| self.error(404, "not found"))?;
        if repository.json["archived"] == true {
            let message = format!("Repo is archived: {}", repository.json["full_name"]);
            return Err(self.error(423, &message));
        }
        if !pushes {
            return Err(self.error(403, "user should have a permission to write to a repo"));
        }
        Ok(())
    }

    fn create_repository(&mut self, body: &[u8]) -> Result<Reply, Reply> {
        let CreateRepository { name, description, private, auto_init, default_branch } =
            read(body)?;
        if self.repositories.iter().any(|one| one.name().eq_ignore_ascii_case(&name)) {
            return Err(self.error(409, "The repository with the same name already exists."));
        }
        self.create(&name, &description);
        let repository = self.repository_mut(&name);
        repository.json["private"] = json!(private);
        repository.json["empty"] = json!(!auto_init);
        repository.json["licenses"] = Value::Null;
        repository.json["default_branch"] = json!(default_branch.as_deref().unwrap_or("main"));
        let reply = Reply::json(201, &repository.json);
        if auto_init {
            self.commit(&name, "main", &[("README.md", format!("# {name}\n").as_bytes())]);
        }
        Ok(reply)
    }

    fn set_topics(&mut self, name: &str, body: &[u8]) -> Result<Reply, Reply> {
        let SetTopics { mut topics } = read(body)?;
        topics.sort();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        if !topics.iter().all(|topic| topic.len() <= 35 && topic.chars().all(plain)) {
            return Err(Reply::json(422, &json!({"message": "Topic names are invalid"})));
        }
        self.repository_mut(name).json["topics"] = json!(topics);
        Ok(Reply { status: 204, headers: Vec::new(), body: Vec::new() })
    }

    fn create_file(&mut self, name: &str, file: &str, body: &[u8]) -> Result<Reply, Reply> {
        let CreateFile { content, message } = read(body)?;
        let bytes = STANDARD
            .decode(content)
            .map_err(|_| Reply::json(422, &json!({"message": "content is no base64"})))?;
        let mut files = self.files_at(name, "main");
        if files.iter().any(|(known, _)| known == file) {
            return Err(Reply::json(422, &json!({"message": "repository file already exists"})));
        }
        if file == "LICENSE" && is_mit(&String::from_utf8_lossy(&bytes)) {
            self.repository_mut(name).json["licenses"] = json!(["MIT"]);
        }
        files.push((file.to_owned(), bytes));
        self.commit_files(name, "main", &files);
        self.repository_mut(name).json["empty"] = json!(false);
        Ok(Reply::json(201, &json!({"content": {"name": file}, "commit": {"message": message}})))
    }

    fn create_release(&mut self, name: &str, login: &str, body: &[u8]) -> Result<Reply, Reply> {
        let CreateRelease { tag_name, target_commitish, name: title, body, draft, prerelease } =
            read(body)?;
        if self.repository_mut(name).json["empty"] == true {
            return Err(self.error(422, "repo is empty"));
        }
        let same = |one: &Value| one["tag_name"].as_str().unwrap().eq_ignore_ascii_case(&tag_name);
        if self.repository_mut(name).releases.iter().any(same) {
            return Err(self.error(409, "Release is has no Tag"));
        }
        self.publish(name, &tag_name, &[]);
        let repository = self.repository_mut(name);
        let number = repository.tag_rows.remove(&tag_name.to_lowercase());
        let release = &mut repository.releases[0];
        if let Some(number) = number {
            release["id"] = json!(number);
        }
        if !target_commitish.is_empty() {
            release["target_commitish"] = json!(target_commitish);
        }
        release["name"] = json!(title);
        release["body"] = json!(body);
        release["draft"] = json!(draft);
        release["prerelease"] = json!(prerelease);
        release["author"]["login"] = json!(login);
        let release = release.clone();
        if !draft {
            self.tag_main(name, &tag_name);
        }
        Ok(Reply::json(201, &release))
    }

    /// Takes a second file of one name, as Gitea does.
    fn create_asset(
        &mut self,
        ask: &Ask,
        name: &str,
        id: &str,
        body: &[u8],
    ) -> Result<Reply, Reply> {
        let bytes = attachment(ask, body)
            .ok_or_else(|| Reply::json(400, &json!({"message": "no attachment"})))?;
        release_mut(self.repository_mut(name), id)?;
        let title = ask.parameter("name").unwrap_or("attachment").to_owned();
        let allowed = self.allowed_types.as_ref();
        if allowed.is_some_and(|endings| !endings.iter().any(|ending| title.ends_with(ending))) {
            let message = "This file cannot be uploaded or modified due to a forbidden file extension or type.";
            return Err(self.error(400, message));
        }
        let asset = self.new_asset(&title, &bytes);
        let release = release_mut(self.repository_mut(name), id)?;
        release["assets"].as_array_mut().unwrap().push(asset.clone());
        Ok(Reply::json(201, &asset))
    }

    /// Empty texts change nothing.
    fn edit_release(&mut self, name: &str, id: &str, body: &[u8]) -> Result<Reply, Reply> {
        let EditRelease { name: title, body, draft, prerelease } = read(body)?;
        let release = release_mut(self.repository_mut(name), id)?;
        for (key, text) in [("name", title), ("body", body)] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                release[key] = json!(text);
            }
        }
        for (key, is_so) in [("draft", draft), ("prerelease", prerelease)] {
            if let Some(is_so) = is_so {
                release[key] = json!(is_so);
            }
        }
        let release = release.clone();
        if release["draft"] == false {
            self.tag_main(name, release["tag_name"].as_str().unwrap());
        }
        Ok(Reply::json(200, &release))
    }

    /// The tag stays, and so does the row of the database.
    fn delete_release(&mut self, name: &str, id: &str) -> Result<Reply, Reply> {
        let repository = self.repository_mut(name);
        let release = release_mut(repository, id)?.clone();
        let tag = release["tag_name"].as_str().unwrap().to_lowercase();
        repository.tag_rows.insert(tag, release["id"].as_i64().unwrap());
        repository.releases.retain(|one| one["id"] != release["id"]);
        Ok(Reply { status: 204, headers: Vec::new(), body: Vec::new() })
    }

    fn delete_asset(&mut self, name: &str, id: &str, asset: &str) -> Result<Reply, Reply> {
        let release = release_mut(self.repository_mut(name), id)?;
        let assets = release["assets"].as_array_mut().unwrap();
        let before = assets.len();
        assets.retain(|one| one["id"].as_i64() != asset.parse().ok());
        if assets.len() == before {
            return Err(self.error(404, "not found"));
        }
        Ok(Reply { status: 204, headers: Vec::new(), body: Vec::new() })
    }

    /// The tag of a release is made of the default branch when it is published.
    fn tag_main(&mut self, name: &str, tag: &str) {
        if !self.files_at(name, tag).is_empty() {
            return;
        }
        let files = self.files_at(name, "main");
        self.commit_files(name, tag, &files);
    }

    fn commit_files(&mut self, name: &str, reference: &str, files: &[(String, Vec<u8>)]) {
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        self.commit(name, reference, &files);
    }
}

fn release_mut<'a>(repository: &'a mut Repository, id: &str) -> Result<&'a mut Value, Reply> {
    let same = |release: &&mut Value| release["id"].as_i64() == id.parse().ok();
    let found = repository.releases.iter_mut().find(same);
    found.ok_or_else(|| Reply::json(404, &json!({"message": "not found"})))
}

/// Whether a text is that of the license: Gitea compares all of it, and takes no heading for it.
fn is_mit(text: &str) -> bool {
    ["Permission is hereby granted", "all copies or substantial", "IN THE SOFTWARE"]
        .iter()
        .all(|part| text.split_whitespace().collect::<Vec<_>>().join(" ").contains(part))
}

/// The bytes of the field `attachment` of a form.
fn attachment(ask: &Ask, body: &[u8]) -> Option<Vec<u8>> {
    let kind = ask.headers.get("content-type")?.to_str().ok()?;
    let boundary = kind.strip_prefix("multipart/form-data; boundary=")?;
    let find = |text: &[u8], from: usize| {
        body[from..].windows(text.len()).position(|window| window == text).map(|at| from + at)
    };
    let head = find(b"name=\"attachment\"", 0)?;
    let start = find(b"\r\n\r\n", head)? + 4;
    let end = find(format!("\r\n--{boundary}").as_bytes(), start)?;
    Some(body[start..end].to_vec())
}
