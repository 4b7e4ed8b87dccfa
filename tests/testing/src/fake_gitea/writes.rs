//! What publishers ask for: repositories, topics, files, releases and their assets. Bodies have the
//! fields of Gitea's own description of its API and no others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Repository, State};
use super::{Ask, Reply};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRepository {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    private: bool,
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
    draft: bool,
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
        let ours = segments.get(1).is_some_and(|owner| *owner == self.organization);
        let done = match (ask.method.as_str(), segments.as_slice()) {
            _ if !ours => Err(self.error(404, "not found")),
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
            _ => Err(self.error(404, "not found")),
        };
        Some(done.unwrap_or_else(|refusal| refusal))
    }

    fn create_repository(&mut self, body: &[u8]) -> Result<Reply, Reply> {
        let CreateRepository { name, description, private, default_branch } = read(body)?;
        if self.repositories.iter().any(|one| one.name().eq_ignore_ascii_case(&name)) {
            return Err(self.error(409, "The repository with the same name already exists."));
        }
        self.create(&name, &description);
        let repository = self.repository_mut(&name);
        repository.json["private"] = json!(private);
        repository.json["licenses"] = Value::Null;
        repository.json["default_branch"] = json!(default_branch.as_deref().unwrap_or("main"));
        Ok(Reply::json(201, &repository.json))
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
        Ok(Reply::json(201, &json!({"content": {"name": file}, "commit": {"message": message}})))
    }

    fn create_release(&mut self, name: &str, login: &str, body: &[u8]) -> Result<Reply, Reply> {
        let CreateRelease { tag_name, name: title, body: notes, draft, prerelease } = read(body)?;
        if self.files_at(name, "main").is_empty() {
            return Err(self.error(422, "Repo is empty"));
        }
        self.publish(name, &tag_name, &[]);
        let release = &mut self.repository_mut(name).releases[0];
        release["name"] = json!(title);
        release["body"] = json!(notes);
        release["draft"] = json!(draft);
        release["prerelease"] = json!(prerelease);
        release["author"]["login"] = json!(login);
        let release = release.clone();
        if !draft {
            self.tag_main(name, &tag_name);
        }
        Ok(Reply::json(201, &release))
    }

    fn create_asset(
        &mut self,
        ask: &Ask,
        name: &str,
        id: &str,
        body: &[u8],
    ) -> Result<Reply, Reply> {
        let bytes = attachment(ask, body)
            .ok_or_else(|| Reply::json(400, &json!({"message": "no attachment"})))?;
        let title = ask.parameter("name").unwrap_or("attachment").to_owned();
        let uuid = self.store_file(&bytes);
        let url = format!("{}/attachments/{uuid}", self.root_url);
        let asset = json!({"id": 1, "name": title, "size": bytes.len(), "download_count": 0,
            "created_at": "2026-11-23T18:04:10Z", "uuid": uuid, "browser_download_url": url});
        let release = release_mut(self.repository_mut(name), id)
            .ok_or_else(|| Reply::json(404, &json!({"message": "not found"})))?;
        release["assets"].as_array_mut().unwrap().push(asset.clone());
        Ok(Reply::json(201, &asset))
    }

    fn edit_release(&mut self, name: &str, id: &str, body: &[u8]) -> Result<Reply, Reply> {
        let EditRelease { draft } = read(body)?;
        let release = release_mut(self.repository_mut(name), id)
            .ok_or_else(|| Reply::json(404, &json!({"message": "not found"})))?;
        release["draft"] = json!(draft);
        let release = release.clone();
        if !draft {
            self.tag_main(name, release["tag_name"].as_str().unwrap());
        }
        Ok(Reply::json(200, &release))
    }

    /// The tag of a release is made of the default branch when it is published.
    fn tag_main(&mut self, name: &str, tag: &str) {
        let files = self.files_at(name, "main");
        self.commit_files(name, tag, &files);
    }

    fn commit_files(&mut self, name: &str, reference: &str, files: &[(String, Vec<u8>)]) {
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        self.commit(name, reference, &files);
    }
}

fn release_mut<'a>(repository: &'a mut Repository, id: &str) -> Option<&'a mut Value> {
    repository.releases.iter_mut().find(|release| release["id"].as_i64() == id.parse().ok())
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
