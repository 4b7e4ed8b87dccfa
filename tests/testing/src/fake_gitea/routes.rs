//! Which question gets which answer, and who may ask it.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::pages::Visible;
use super::state::{Publisher, Repository, Rights, State};
use super::{Ask, Reply};
use crate::canary::name_of;

impl State {
    /// The answer to any question.
    pub fn answer(&self, ask: &Ask) -> Reply {
        let Some(path) = ask.path.strip_prefix(&self.sub_path) else {
            let message = format!("404 page not found, sub-path is: {}", self.sub_path);
            return Reply::html(404, &message);
        };
        let segments: Vec<String> = path
            .split('/')
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let rights = match self.rights(ask) {
            Ok(rights) => rights,
            Err(()) if path.starts_with("/api/") => {
                return self.error(401, "user does not exist [uid: 0, name: ]");
            }
            Err(()) => return Reply::text(401, "Failed to authenticate user\n"),
        };
        match segments.as_slice() {
            ["api", "healthz"] => health(),
            ["api", "v1", rest @ ..] => self.api(ask, rest, rights.as_ref()),
            rest => self.web(ask, rest, rights.as_ref()),
        }
    }

    /// Exactly two words are a token; anything else is nobody.
    fn rights(&self, ask: &Ask) -> Result<Option<Rights>, ()> {
        let value = ask.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
        if let (Some(publisher), [_, token]) = (&self.publisher, words.as_slice())
            && publisher.token == *token
        {
            return Ok(Some(publisher.rights()));
        }
        match words.as_slice() {
            [_, token] => self.tokens.get(name_of(token)).cloned().map(Some).ok_or(()),
            // The recordings name the token alone.
            [token] if token.starts_with('<') => {
                self.tokens.get(*token).cloned().map(Some).ok_or(())
            }
            _ => Ok(None),
        }
    }

    fn api(&self, ask: &Ask, segments: &[&str], rights: Option<&Rights>) -> Reply {
        if self.sign_in_required && rights.is_none() {
            return Reply::json(
                403,
                &json!({"message": "Only signed in user is allowed to call APIs."}),
            );
        }
        if ask.method != "GET" {
            return Reply::text(405, "Method Not Allowed\n");
        }
        let scope = match segments.first() {
            Some(&"orgs") => Some("read:organization"),
            Some(&"repos" | &"repositories") => Some("read:repository"),
            _ => None,
        };
        if let (Some(scope), Some(rights)) = (scope, rights)
            && !rights.scopes.iter().any(|has| implies(has, scope))
        {
            return self.error_without_list(403, &self.lacks(scope, rights));
        }
        match segments {
            ["version"] => Reply::json(200, &self.exchange("version").json()),
            ["settings", "api"] => self.settings(),
            ["orgs" | "users", organization, rest @ ..] => {
                self.of_organization(ask, organization, rest, rights)
            }
            ["repos", "search"] => self.search(ask, rights),
            ["repos", owner, name, rest @ ..] => self.of_repository(ask, owner, name, rest, rights),
            ["repositories", number] => self.by_number(number, rights),
            _ => Reply::text(404, "404 page not found\n"),
        }
    }

    /// The complaint of a token without this scope, as versions word it.
    pub(super) fn lacks(&self, scope: &str, rights: &Rights) -> String {
        let lacks = "token does not have at least one of required scope(s)";
        let recorded = self.exchange("weak-token").json();
        if recorded["message"].as_str().unwrap().contains("required=") {
            format!("{lacks}, required=[{scope}], token scope={}", rights.scopes.join(","))
        } else {
            format!("{lacks}: [{scope}]")
        }
    }

    fn settings(&self) -> Reply {
        let mut settings = self.exchange("settings").json();
        settings["max_response_items"] = json!(self.max_items);
        Reply::json(200, &settings)
    }

    fn of_organization(
        &self,
        ask: &Ask,
        name: &str,
        rest: &[&str],
        rights: Option<&Rights>,
    ) -> Reply {
        if self.former_organization.as_deref() == Some(name) {
            return Reply::moved(307, &ask.path.replace(name, &self.organization));
        }
        let is_private = self.private_organization && !rights.is_some_and(|rights| rights.member);
        if name == "secret-extensions" || is_private {
            return match rest {
                [] => self.error(404, "HasOrgOrUserVisible"),
                _ => self.page(ask, Vec::new(), true),
            };
        }
        if !name.eq_ignore_ascii_case(&self.organization) {
            let errors = json!([format!("user redirect does not exist [name: {name}]")]);
            let url = format!("{}/api/swagger", self.root_url);
            return Reply::json(
                404,
                &json!({"errors": errors, "message": "GetOrgByName", "url": url}),
            );
        }
        match rest {
            [] => Reply::json(
                200,
                &json!({"id": self.organization_number, "name": self.organization,
                    "username": self.organization, "visibility": "public"}),
            ),
            ["repos"] => self.page(ask, self.listed(rights, |_| true), true),
            ["activities", "feeds"] => {
                let mut rows = self.feed.clone();
                rows.sort_by_key(|row| {
                    let at: jiff::Timestamp = row["created"].as_str().unwrap().parse().unwrap();
                    (std::cmp::Reverse(at), row["id"].as_i64())
                });
                self.page(ask, rows.into_iter().map(|row| (row, true)).collect(), false)
            }
            _ => Reply::text(404, "404 page not found\n"),
        }
    }

    fn listed(&self, rights: Option<&Rights>, wanted: impl Fn(&Repository) -> bool) -> Visible {
        let sees =
            |one: &&Repository| !one.is_private() || rights.is_some_and(|rights| rights.member);
        let rows = self.repositories.iter().filter(sees).filter(|one| wanted(one));
        rows.map(|one| (one.json.clone(), !one.hidden)).collect()
    }

    fn search(&self, ask: &Ask, rights: Option<&Rights>) -> Reply {
        let text = ask.parameter("q").unwrap_or_default().to_lowercase();
        let mut rows = self.listed(rights, |one| one.name().to_lowercase().contains(&text));
        rows.sort_by_key(|(row, _)| row["name"].as_str().map(str::to_lowercase));
        let mut reply = self.page(ask, rows, true);
        let data: Value = serde_json::from_slice(&reply.body).unwrap();
        reply.body = json!({"ok": true, "data": data}).to_string().into_bytes();
        reply
    }

    fn of_repository(
        &self,
        ask: &Ask,
        owner: &str,
        name: &str,
        rest: &[&str],
        rights: Option<&Rights>,
    ) -> Reply {
        if self.former_organization.as_deref() == Some(owner) {
            return Reply::moved(307, &ask.path.replace(owner, &self.organization));
        }
        if !owner.eq_ignore_ascii_case(&self.organization) {
            return self.error(404, "not found");
        }
        let Some(repository) = self.find(name, rights) else {
            return match self.renamed.get(name) {
                Some(new) => {
                    let status = self.exchange("repo-renamed").status();
                    Reply::moved(status, &ask.path.replace(name, new))
                }
                None => self.error(404, "not found"),
            };
        };
        let is_off = repository.json["has_releases"] == false || repository.refused;
        if rest.first() == Some(&"releases") && is_off {
            let message =
                "user should have specific read permission or be a repo admin or a site admin";
            return self.error_without_list(403, message);
        }
        match rest {
            [] => Reply::json(200, &permitted(&repository.json, rights)),
            ["topics"] => {
                let of_row = || {
                    serde_json::from_value::<Option<Vec<String>>>(repository.json["topics"].clone())
                };
                let topics = repository.topics.clone().or_else(|| of_row().unwrap());
                let topics = topics.unwrap_or_default();
                let mut reply = Reply::json(200, &json!({"topics": topics}));
                reply.headers.push(("X-Total-Count", topics.len().to_string()));
                reply
            }
            ["releases"] => self.releases(ask, repository, rights),
            ["releases", "latest"] => self.latest(repository),
            ["releases", "tags", tag] => self.by_tag(repository, tag),
            ["releases", id] => self.by_id(repository, id),
            ["tags", tag @ ..] => self.tag(repository, &tag.join("/")),
            ["contents"] => self.contents(ask, repository, None),
            ["contents", path] => self.contents(ask, repository, Some(path)),
            ["raw", path] => self.raw(ask, repository, path),
            _ => Reply::text(404, "404 page not found\n"),
        }
    }

    fn by_number(&self, number: &str, rights: Option<&Rights>) -> Reply {
        let numbered = |one: &&Repository| one.json["id"].as_i64() == number.parse().ok();
        let found = self.moved_away.iter().chain(&self.repositories).find(numbered);
        let member = rights.is_some_and(|rights| rights.member);
        match found.filter(|one| member || !one.is_private()) {
            Some(repository) => Reply::json(200, &repository.json),
            None => self.error(404, "not found"),
        }
    }

    fn find(&self, name: &str, rights: Option<&Rights>) -> Option<&Repository> {
        let found = self.repositories.iter().find(|one| one.name().eq_ignore_ascii_case(name))?;
        let member = rights.is_some_and(|rights| rights.member);
        (member || !found.is_private()).then_some(found)
    }

    fn releases(&self, ask: &Ask, repository: &Repository, rights: Option<&Rights>) -> Reply {
        let writer = rights.is_some_and(|rights| rights.writer);
        let is = |name: &str, value: &Value| {
            ask.parameter(name)
                .and_then(|text| text.parse::<bool>().ok())
                .is_none_or(|b| *value == b)
        };
        let mut rows: Vec<&Value> = repository
            .releases
            .iter()
            .filter(|row| writer || row["draft"] == false)
            .filter(|row| is("draft", &row["draft"]) && is("pre-release", &row["prerelease"]))
            .collect();
        rows.sort_by_key(|row| {
            std::cmp::Reverse((row["created_at"].as_str().map(str::to_owned), row["id"].as_i64()))
        });
        self.page(ask, rows.into_iter().map(|row| (row.clone(), true)).collect(), true)
    }

    fn latest(&self, repository: &Repository) -> Reply {
        let stable = |row: &&Value| row["draft"] == false && row["prerelease"] == false;
        let newest = repository.releases.iter().filter(stable).max_by_key(|row| row["id"].as_i64());
        newest.map_or_else(|| self.error(404, "not found"), |row| Reply::json(200, row))
    }

    /// Folds the case of the tag, and shows drafts to everybody.
    fn by_tag(&self, repository: &Repository, tag: &str) -> Reply {
        let same = |row: &&Value| row["tag_name"].as_str().unwrap().eq_ignore_ascii_case(tag);
        let found = repository.releases.iter().find(same);
        found.map_or_else(|| self.error(404, "not found"), |row| Reply::json(200, row))
    }

    /// Shows drafts to everybody.
    fn by_id(&self, repository: &Repository, id: &str) -> Reply {
        let found = repository.releases.iter().find(|row| row["id"].as_i64() == id.parse().ok());
        found.map_or_else(|| self.error(404, "not found"), |row| Reply::json(200, row))
    }

    fn web(&self, ask: &Ask, segments: &[&str], rights: Option<&Rights>) -> Reply {
        let sees_private = rights.is_some_and(|rights| rights.member);
        match segments {
            ["user", "login"] => Reply::html(200, "<!DOCTYPE html><title>Sign in</title>"),
            _ if self.sign_in_required && rights.is_none() => {
                Reply::moved(303, &format!("{}/user/login", self.sub_path))
            }
            ["attachments", uuid] => {
                self.attachment(ask, uuid, sees_private && ask.method == "GET")
            }
            [_, name, "releases", "download", tag, file] => match self.find(name, rights) {
                Some(repository) => self.download(ask, repository, tag, file),
                None => Reply::text(404, "Not found.\n").with_kind("text/plain;charset=utf-8"),
            },
            _ => Reply::html(404, "<!DOCTYPE html><title>Page Not Found</title>"),
        }
    }

    pub(super) fn error(&self, status: u16, message: &str) -> Reply {
        if status != 404 {
            return self.error_without_list(status, message);
        }
        let errors = self.exchange("repo-missing").json()["errors"].clone();
        let url = format!("{}/api/swagger", self.root_url);
        Reply::json(status, &json!({"errors": errors, "message": message, "url": url}))
    }

    fn error_without_list(&self, status: u16, message: &str) -> Reply {
        let url = format!("{}/api/swagger", self.root_url);
        Reply::json(status, &json!({"message": message, "url": url}))
    }
}

/// Whether a scope is another one, or that of writing where the other one is of reading.
pub(super) fn implies(has: &str, wanted: &str) -> bool {
    has == wanted || has.strip_prefix("write:") == wanted.strip_prefix("read:")
}

/// The row of a repository as an account with these rights sees it.
fn permitted(row: &Value, rights: Option<&Rights>) -> Value {
    let mut row = row.clone();
    if rights.is_some_and(|rights| rights.writer) {
        row["permissions"] = json!({"admin": false, "push": true, "pull": true});
    }
    row
}

impl Publisher {
    fn rights(&self) -> Rights {
        Rights { scopes: self.scopes.clone(), member: true, writer: self.pushes }
    }
}

fn health() -> Reply {
    let check = json!([{"status": "pass", "time": "2026-11-23T18:41:11Z"}]);
    let reply = Reply::json(
        200,
        &json!({"status": "pass", "description": "Gitea: Git with a cup of tea",
            "checks": {"cache:ping": check, "database:ping": check}}),
    );
    reply.with_kind("application/json")
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::of_kind(status, "application/json;charset=utf-8", &body.to_string())
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self::of_kind(status, "text/plain; charset=utf-8", body)
    }

    fn html(status: u16, body: &str) -> Self {
        Self::of_kind(status, "text/html; charset=utf-8", body)
    }

    fn moved(status: u16, to: &str) -> Self {
        let mut reply = Self::html(status, &format!("<a href=\"{to}\">Moved</a>.\n\n"));
        reply.headers.push(("Location", to.to_owned()));
        reply
    }

    fn of_kind(status: u16, kind: &str, body: &str) -> Self {
        let headers = vec![("Content-Type", kind.to_owned())];
        Self { status, headers, body: body.as_bytes().to_vec() }
    }

    fn with_kind(mut self, kind: &str) -> Self {
        self.headers.retain(|(name, _)| *name != "Content-Type");
        self.headers.push(("Content-Type", kind.to_owned()));
        self
    }
}
