//! A backend of any number of made-up extensions, which are made anew each time they are read, so
//! that the memory of the process is the catalog's.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::backend::download::Download;
use registry_core::backend::{Backend, Listing, no_readme};
use registry_core::error::{Error, Result};
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::{About, Extension, Release};
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;

const RELEASES: usize = 3;
const KEYWORDS: usize = 3;
const DESCRIPTION_WORDS: usize = 12;

const ORGANIZATIONS: [&str; 8] = ["", "acme-", "acme-", "acme-", "acme-", "north-", "cloud-", "x"];
const PRODUCTS: [&str; 40] = [
    "postgres",
    "kubernetes",
    "redis",
    "kafka",
    "cilium",
    "containerd",
    "prometheus",
    "grafana",
    "vault",
    "consul",
    "nomad",
    "etcd",
    "haproxy",
    "nginx",
    "traefik",
    "envoy",
    "istio",
    "linkerd",
    "rabbitmq",
    "nats",
    "minio",
    "ceph",
    "longhorn",
    "rook",
    "mariadb",
    "mysql",
    "cassandra",
    "clickhouse",
    "elasticsearch",
    "opensearch",
    "loki",
    "tempo",
    "jaeger",
    "fluentbit",
    "vector",
    "keycloak",
    "dex",
    "harbor",
    "gitea",
    "buildkit",
];
const ROLES: [&str; 25] = [
    "server",
    "agent",
    "backup",
    "operator",
    "proxy",
    "exporter",
    "gateway",
    "controller",
    "mirror",
    "replica",
    "client",
    "dashboard",
    "bootstrap",
    "cluster",
    "cache",
    "router",
    "scheduler",
    "worker",
    "monitor",
    "registry",
    "builder",
    "tunnel",
    "sidecar",
    "archive",
    "upgrade",
];
/// Rare words of descriptions: this many of them, each on average in a few extensions.
const RARE: usize = 60_000;

/// The backend.
pub struct Generated {
    count: usize,
    /// How often extensions were published since the start, by number.
    published: Mutex<HashMap<usize, usize>>,
}

impl Generated {
    pub fn new(count: usize) -> Self {
        Self { count, published: Mutex::default() }
    }

    /// Publishes one more release of an extension.
    pub fn publish(&self, number: usize) {
        *self.published.lock().entry(number).or_default() += 1;
    }

    fn releases(&self, number: usize) -> Vec<Release> {
        let published = self.published.lock().get(&number).copied().unwrap_or_default();
        let about = Arc::new(about(number, published));
        (0..RELEASES + published).map(|minor| release(number, minor, &about)).collect()
    }
}

/// The id of an extension by its number.
pub fn id(number: usize) -> ExtensionId {
    let pick = |words: &[&'static str], salt| words[hash(number, salt) % words.len()];
    let name = format!(
        "{}{}-{}-{number:05}",
        pick(&ORGANIZATIONS, 1),
        pick(&PRODUCTS, 2),
        pick(&ROLES, 3)
    );
    let extension_type = ExtensionType::ALL[hash(number, 4) % ExtensionType::ALL.len()];
    ExtensionId { name: name.parse().unwrap(), extension_type }
}

fn about(number: usize, published: usize) -> About {
    let word = |salt| match hash(number, salt) % 5 {
        0 => format!("w{:05}", hash(number, salt + 100) % RARE),
        1 => PRODUCTS[hash(number, salt + 100) % PRODUCTS.len()].to_owned(),
        2 => ROLES[hash(number, salt + 100) % ROLES.len()].to_owned(),
        3 => "for".to_owned(),
        _ => "highly-available".to_owned(),
    };
    let mut description: Vec<String> = (0..DESCRIPTION_WORDS).map(|n| word(200 + n)).collect();
    if published > 0 {
        description.push(format!("revision{published}"));
    }
    About {
        description: Some(description.join(" ").into()),
        author: Some("platform-team".into()),
        repository: Some(format!("https://forge.invalid/extensions/{}", id(number).name).into()),
        keywords: (0..KEYWORDS)
            .map(|n| ROLES[hash(number, 300 + n) % ROLES.len()].into())
            .collect(),
        license: Some("Apache-2.0".into()),
    }
}

fn release(number: usize, minor: usize, about: &Arc<About>) -> Release {
    let tag: Tag = format!("v1.{minor}.0").parse().unwrap();
    let name = id(number).gitea_repository();
    let file_name = format!("{name}.tar.gz");
    let file = Arc::new(Artifact {
        key: ArtifactKey::new(format!("01234567-89ab-cdef-0123-{number:06}{minor:06}")),
        url: Some(
            format!("https://forge.invalid/extensions/{name}/releases/download/{tag}/{file_name}")
                .into(),
        ),
        file_name: file_name.into(),
        size: 10_000 + hash(number, minor) as u64 % 90_000,
        // Gitea tells none while it is swept.
        digest: None,
    });
    Release {
        published_at: Some("2025-06-01T12:00:00Z".parse().unwrap()),
        assets: [Arc::clone(&file)].into(),
        artifact: ArtifactChoice::Chosen(file),
        about: Arc::clone(about),
        ..Release::of_tag(BackendId::GITEA, tag)
    }
}

/// A number that looks like chance and is the same in every run (SplitMix64).
pub fn hash(number: usize, salt: usize) -> usize {
    let mut z = (number as u64 ^ ((salt as u64) << 40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    usize::try_from(z ^ (z >> 31)).unwrap()
}

fn number_of(id: &ExtensionId) -> Result<usize> {
    let number = id.name.as_str().rsplit_once('-').and_then(|(_, number)| number.parse().ok());
    number.ok_or_else(|| Error::not_found(format!("Extension {id} was not generated")))
}

#[async_trait]
impl Backend for Generated {
    fn id(&self) -> BackendId {
        BackendId::GITEA
    }

    async fn listing(&self) -> Result<Listing> {
        let ids = (0..self.count).map(id).collect();
        Ok(Listing { ids, coverage: Coverage::Complete, faults: Vec::new() })
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        Ok(Extension::new(id.clone(), self.releases(number_of(id)?)))
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let release = self.releases(number_of(id)?).into_iter().find(|release| release.tag == *tag);
        release.ok_or_else(|| Error::not_found(format!("Extension {id} has no tag {tag}")))
    }

    async fn open(
        &self,
        id: &ExtensionId,
        _: &Artifact,
        _: Option<Range<u64>>,
    ) -> Result<Download> {
        Err(Error::not_found(format!("Extension {id} has no bytes")))
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        Err(no_readme(id, release))
    }

    async fn changes(&self, _: Option<&ChangeCursor>) -> Result<Changes> {
        Ok(Changes::These { dirty: Vec::new(), cursor: ChangeCursor::new("0"), listed: None })
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}
