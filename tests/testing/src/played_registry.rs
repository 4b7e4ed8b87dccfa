//! Registries played from a store: zot 2.1 and distribution 2.8 as far as a reader sees them.

use serde_json::json;

use super::registry_store::{Held, Store};
use super::scripted_registry::{Reply, Seen};

/// Whom to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Zot,
    Distribution,
}

/// How the lists of a registry, or of what stands before it, show less than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The first page has one name; the next is answered with this status.
    SecondPage(u16),
    /// Pages have so many names, whatever is asked for, and no `Link`.
    Unlinked(usize),
    /// Every list is this text, with status 200.
    Nonsense(&'static str),
    /// Every list is empty.
    Empty,
}

/// A store with a manner of speaking.
#[derive(Clone, Debug)]
pub struct PlayedRegistry {
    pub dialect: Dialect,
    pub store: Store,
    pub trouble: Option<Trouble>,
}

impl PlayedRegistry {
    pub fn new(dialect: Dialect, store: Store) -> Self {
        Self { dialect, store, trouble: None }
    }

    pub fn zot() -> Self {
        Self::new(Dialect::Zot, Store::of_recorded_zot())
    }

    pub fn answer(&self, seen: &Seen) -> Reply {
        let reply = self.answer_of(seen);
        match self.dialect {
            Dialect::Zot => reply,
            Dialect::Distribution => {
                reply.header("docker-distribution-api-version", "registry/2.0")
            }
        }
    }

    fn answer_of(&self, seen: &Seen) -> Reply {
        let Some(path) = seen.path().strip_prefix("/v2/") else {
            return not_found_page();
        };
        match path {
            "" => self.pong(),
            "_catalog" => {
                let names = self.store.repositories.keys().cloned().collect();
                self.troubled(seen, "repositories", names).unwrap_or_else(|| self.catalog(seen))
            }
            _ => self.in_repository(seen, path),
        }
    }

    /// A list in trouble, of these names in this field.
    fn troubled(&self, seen: &Seen, field: &str, names: Vec<String>) -> Option<Reply> {
        let page = |names: &[String]| self.json(json!({field: names}).to_string());
        let last = seen.query("last");
        Some(match (self.trouble?, last) {
            (Trouble::SecondPage(_), None) => {
                let first = &names[..names.len().min(1)];
                page(first).header("link", format!("<{}?last=x&n=1>; rel=\"next\"", seen.path()))
            }
            (Trouble::SecondPage(status), Some(_)) => Reply::new(status),
            (Trouble::Unlinked(limit), last) => {
                let last = last.unwrap_or_default();
                let behind: Vec<String> = names.into_iter().filter(|name| *name > last).collect();
                page(page_of(&behind, limit).0)
            }
            (Trouble::Nonsense(text), _) => self.json(text),
            (Trouble::Empty, _) => page(&[]),
        })
    }

    fn pong(&self) -> Reply {
        match self.dialect {
            Dialect::Zot => self.json("").header("docker-distribution-api-version", "registry/2.0"),
            Dialect::Distribution => self.json("{}"),
        }
    }

    fn in_repository(&self, seen: &Seen, path: &str) -> Reply {
        let mut parts = path.rsplitn(3, '/');
        let (Some(reference), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return not_found_page();
        };
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return not_found_page();
        }
        let held = self.store.repositories.get(name);
        match kind {
            "tags" => self.tags(seen, name, held),
            "manifests" => self.manifest(seen, held, reference),
            "blobs" => self.blob(seen, held, reference),
            "referrers" => self.referrers(held, reference),
            _ => not_found_page(),
        }
    }

    fn catalog(&self, seen: &Seen) -> Reply {
        let names: Vec<String> = self.store.repositories.keys().cloned().collect();
        let limit = seen.query("n").map(|n| n.parse::<usize>().unwrap_or(usize::MAX));
        if self.dialect == Dialect::Distribution && limit.is_some_and(|limit| limit > 1000) {
            let message = "invalid number of results requested";
            return self.error(400, "PAGINATION_NUMBER_INVALID", message, json!(null));
        }
        let after = match (seen.query("last"), self.dialect) {
            (None, _) => 0,
            // A name that is gone ends zot's listing without a word.
            (Some(last), Dialect::Zot) => {
                names.iter().position(|name| *name == last).map_or(names.len(), |at| at + 1)
            }
            (Some(last), Dialect::Distribution) => {
                names.iter().filter(|name| **name <= last).count()
            }
        };
        let limit = limit.unwrap_or(if self.dialect == Dialect::Zot { usize::MAX } else { 100 });
        let (page, more) = page_of(&names[after..], limit);
        let reply = self.json(json!({"repositories": page}).to_string());
        self.linked(reply, "/v2/_catalog", page, more, limit)
    }

    fn tags(&self, seen: &Seen, name: &str, held: Option<&Held>) -> Reply {
        let Some(held) = held else {
            let message = "repository name not known to registry";
            return self.error(404, "NAME_UNKNOWN", message, json!({"name": name}));
        };
        let mut tags: Vec<String> = held.tags.iter().map(|(tag, _)| tag.clone()).collect();
        tags.sort();
        if let Some(reply) = self.troubled(seen, "tags", tags.clone()) {
            return reply;
        }
        if self.dialect == Dialect::Distribution {
            let tags = if tags.is_empty() { json!(null) } else { json!(tags) };
            return self.json(json!({"name": name, "tags": tags}).to_string());
        }
        let after = match seen.query("last") {
            None => 0,
            Some(last) => match tags.iter().position(|tag| *tag == last) {
                Some(at) => at + 1,
                None => return Reply::new(404),
            },
        };
        let limit = seen.query("n").map_or(usize::MAX, |n| n.parse().unwrap());
        let (page, more) = page_of(&tags[after..], limit);
        let reply = self.json(json!({"name": name, "tags": page}).to_string());
        self.linked(reply, &format!("/v2/{name}/tags/list"), page, more, limit)
    }

    fn linked(&self, reply: Reply, path: &str, page: &[String], more: bool, limit: usize) -> Reply {
        let (Some(last), true) = (page.last(), more) else { return reply };
        let next = match self.dialect {
            Dialect::Zot => format!("<{path}?n={limit}&last={last}>; rel=\"next\""),
            Dialect::Distribution => {
                let last = last.replace('/', "%2F");
                format!("<{path}?last={last}&n={limit}>; rel=\"next\"")
            }
        };
        reply.header("link", next)
    }

    fn manifest(&self, seen: &Seen, held: Option<&Held>, reference: &str) -> Reply {
        let found = held.and_then(|held| {
            let digest = held.digest_of(reference)?;
            Some((digest, held.manifests.get(digest)?, held.blobs.get(digest)?))
        });
        let Some((digest, media_type, bytes)) = found else {
            let detail = match self.dialect {
                Dialect::Zot => json!({"reference": reference}),
                Dialect::Distribution => json!({"Tag": reference}),
            };
            return self.error(404, "MANIFEST_UNKNOWN", "manifest unknown", detail);
        };
        let accepted = seen.header("accept").unwrap_or_default();
        if self.dialect == Dialect::Distribution && !accepted.contains(media_type.as_str()) {
            let message = "OCI manifest found, but accept header does not support OCI manifests";
            return self.error(404, "MANIFEST_UNKNOWN", message, json!(null));
        }
        let reply = Reply::new(200)
            .header("content-type", media_type)
            .header("docker-content-digest", digest);
        self.tagged(reply, digest).bytes(bytes.clone())
    }

    fn blob(&self, seen: &Seen, held: Option<&Held>, reference: &str) -> Reply {
        let Some(bytes) = held.and_then(|held| held.blobs.get(reference)) else {
            let detail = json!(reference);
            return self.error(404, "BLOB_UNKNOWN", "blob unknown to registry", detail);
        };
        let reply = match part_of(seen, bytes.len()) {
            // zot does not tell the length here.
            Some((start, _)) if start >= bytes.len() => match self.dialect {
                Dialect::Zot => return Reply::new(416),
                Dialect::Distribution => {
                    return Reply::new(416)
                        .header("content-range", format!("bytes */{}", bytes.len()));
                }
            },
            Some((start, end)) => Reply::new(206)
                .header("content-range", format!("bytes {start}-{}/{}", end - 1, bytes.len()))
                .bytes(bytes.slice(start..end)),
            None => Reply::new(200).bytes(bytes.clone()),
        };
        let reply = reply.header("docker-content-digest", reference);
        match self.dialect {
            Dialect::Zot => {
                let media_type = held.and_then(|held| held.media_type_of(reference));
                let reply = reply.header("content-type", media_type.unwrap_or_default());
                if seen.method == "HEAD" { reply.header("accept-ranges", "bytes") } else { reply }
            }
            Dialect::Distribution => self
                .tagged(reply, reference)
                .header("content-type", "application/octet-stream")
                .header("accept-ranges", "bytes")
                .header("cache-control", "max-age=31536000"),
        }
    }

    fn referrers(&self, held: Option<&Held>, subject: &str) -> Reply {
        if self.dialect == Dialect::Distribution {
            return not_found_page();
        }
        let mut found = Vec::new();
        for (digest, media_type) in held.iter().flat_map(|held| &held.manifests) {
            let bytes = &held.unwrap().blobs[digest];
            let manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            if manifest["subject"]["digest"] == subject {
                found.push(json!({
                    "mediaType": media_type,
                    "digest": digest,
                    "size": bytes.len(),
                    "artifactType": manifest["artifactType"],
                }));
            }
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": found});
        Reply::new(200).header("content-type", media_type).bytes(index.to_string())
    }

    fn tagged(&self, reply: Reply, digest: &str) -> Reply {
        match self.dialect {
            Dialect::Zot => reply,
            Dialect::Distribution => reply.header("etag", format!("\"{digest}\"")),
        }
    }

    fn json(&self, text: impl Into<String>) -> Reply {
        let content_type = match self.dialect {
            Dialect::Zot => "application/json",
            Dialect::Distribution => "application/json; charset=utf-8",
        };
        Reply::new(200).header("content-type", content_type).bytes(text.into())
    }

    fn error(&self, status: u16, code: &str, message: &str, detail: serde_json::Value) -> Reply {
        let error = json!({"code": code, "message": message, "detail": detail});
        let reply = self.json(json!({"errors": [error]}).to_string());
        Reply { status: axum::http::StatusCode::from_u16(status).unwrap(), ..reply }
    }
}

fn not_found_page() -> Reply {
    Reply::new(404)
        .header("content-type", "text/plain; charset=utf-8")
        .header("x-content-type-options", "nosniff")
        .bytes("404 page not found\n")
}

fn page_of(names: &[String], limit: usize) -> (&[String], bool) {
    (&names[..names.len().min(limit)], names.len() > limit)
}

fn part_of(seen: &Seen, length: usize) -> Option<(usize, usize)> {
    let (start, end) = seen.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
    Some((start.parse().ok()?, end.parse::<usize>().ok()?.saturating_add(1).min(length)))
}
