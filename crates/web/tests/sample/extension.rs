//! Sample pages of one extension: overview and versions.

use registry_web::clean_html::CleanHtml;
use registry_web::error::Result;
use registry_web::extension_ref::ExtensionRef;
use registry_web::extension_type::TypeView;
use registry_web::head::{ExtensionHead, VersionStanding};
use registry_web::install::{self, FileName, InstallTarget, OciPlace};
use registry_web::notice::{Level, Notice};
use registry_web::notices;
use registry_web::pages::overview::{
    Facts, KeptAt, KeptStanding, OverviewPage, PinState, ReadmeView,
};
use registry_web::pages::versions::{VersionListRow, VersionMark, VersionOrder, VersionsPage};
use registry_web::site::Site;
use registry_web::version_name::VersionName;

use super::{NAME_100, Sample, WORD_1000, digest, hostile, kubernetes, sample, time};

const README: &str = "<h1>Kubernetes with kubeadm</h1>\n<p>Installs <code>kubelet</code>, \
    <code>kubeadm</code> and <code>kubectl</code>, and joins a node to the control plane. Works on \
    Debian 12 and Ubuntu 24.04.</p>\n<h2>Settings</h2>\n<table><thead><tr><th>Setting</th>\
    <th>Default</th><th>Meaning</th></tr></thead><tbody><tr><td><code>version</code></td>\
    <td><code>1.31.0</code></td><td>Version of Kubernetes</td></tr><tr>\
    <td><code>control_plane_endpoint</code></td><td>(empty)</td><td>Host and port that nodes join; \
    empty takes the first address of the node</td></tr></tbody></table>\n<h2>Quick start</h2>\n\
    <pre><code># on the first control plane node\nexport KUBERNETES_VERSION=\"1.31.0\"\n\
    ./install.sh --role control-plane --with-a-flag-that-makes-this-line-longer-than-the-column\n\
    </code></pre>\n<ul>\n<li>The node needs 2 CPUs and 2 GiB of memory</li>\n<li>Swap has to be \
    off</li>\n</ul>";

pub fn samples(site: &Site) -> Result<Vec<Sample>> {
    Ok(vec![
        sample("overview", overview(site).render(site))?,
        sample("overview-stale", stale(site).render(site))?,
        sample("overview-older", older(site).render(site))?,
        sample("overview-minimal", minimal(site).render(site))?,
        sample("overview-hostile", hostile_overview(site).render(site))?,
        sample("versions", versions().render(site))?,
        sample("versions-by-date", versions_by_date().render(site))?,
        sample("versions-one", one_version().render(site))?,
        sample("versions-250", many_versions().render(site))?,
        sample("versions-hostile", hostile_versions().render(site))?,
    ])
}

/// Head of the latest version of the sample extension.
pub fn head() -> ExtensionHead {
    let description =
        "Kubernetes control plane and worker nodes with kubeadm, for Debian and Ubuntu hosts";
    ExtensionHead {
        id: kubernetes(),
        version: VersionName { version: "1.31.0".to_owned(), tag: "v1.31.0".to_owned() },
        is_pinned: false,
        standing: VersionStanding::Latest,
        description: Some(description.to_owned()),
        notices: Vec::new(),
        versions: 3,
        files: Some(14),
    }
}

/// Head whose texts are hostile.
pub fn hostile_head() -> ExtensionHead {
    ExtensionHead {
        id: ExtensionRef::new(TypeView::Provider, hostile()).at_backend(hostile()),
        version: VersionName { version: hostile(), tag: format!("{}{}", hostile(), WORD_1000()) },
        is_pinned: true,
        standing: VersionStanding::Older(VersionName::same(hostile())),
        description: Some(format!("{} {}", hostile(), "long text ".repeat(10_000))),
        notices: vec![Notice::new(Level::Problem, hostile(), WORD_1000()).linked(hostile(), "/")],
        ..head()
    }
}

fn target(site: &Site, head: &ExtensionHead) -> InstallTarget {
    InstallTarget {
        id: head.id.clone(),
        version: head.version.version.clone(),
        url: site.absolute(&site.links.api().archive(&head.id, &head.version.tag)),
        server: site.absolute(site.links.prefix()),
        file_name: FileName::near(&format!("{}-{}.tar.gz", head.id.name, head.version.version)),
        digest: Some(digest(1)),
        needs_token: false,
        oci: Some(OciPlace {
            registry: "registry.example.com".to_owned(),
            repository: "provisioning/kubernetes-taskserv".to_owned(),
            tag: head.version.tag.clone(),
            manifest: None,
            is_plain_http: false,
        }),
    }
}

fn overview(site: &Site) -> OverviewPage {
    let head = head();
    let also = KeptStanding::Also {
        oldest: "1.29.0".to_owned(),
        newest: "1.31.0".to_owned(),
        has_version: true,
    };
    let kept = |backend: &str, standing| KeptAt { backend: backend.to_owned(), standing };
    OverviewPage {
        readme: ReadmeView::Page(CleanHtml::trusted(README, 1)),
        install: install::lines(&target(site, &head)),
        facts: Facts {
            published_at: Some(time("2026-09-03T10:00:00Z")),
            license: Some("Apache-2.0".to_owned()),
            author: Some("Container Platform Group".to_owned()),
            size: Some(3_149),
            digest: Some(digest(1)),
            pin: Some(PinState::Same { since: Some(time("2026-09-03T16:00:00Z")) }),
            repository: Some("https://git.example.com/provisioning/kubernetes_taskserv".to_owned()),
            keywords: vec!["containers".to_owned(), "orchestration".to_owned()],
        },
        kept: vec![
            kept("gitea", KeptStanding::Owner),
            kept("oci", also),
            kept("local", KeptStanding::Absent),
        ],
        head,
    }
}

fn stale(site: &Site) -> OverviewPage {
    let mut page = overview(site);
    let id = page.head.id.clone();
    page.head.notices = vec![
        notices::stale(site, "oci", time("2026-09-03T16:04:00Z"), Some("gitea")),
        notices::archive_changed(site, &id, "v1.31.0", &digest(1), Some(&digest(2))),
    ];
    page.facts.pin = Some(PinState::Changed);
    page
}

fn older(site: &Site) -> OverviewPage {
    let mut page = overview(site);
    page.head.version = VersionName::same("1.30.0-rc.1");
    page.head.is_pinned = true;
    page.head.standing = VersionStanding::PreRelease(VersionName::same("1.31.0"));
    page.readme = ReadmeView::Unavailable;
    page
}

fn minimal(site: &Site) -> OverviewPage {
    let mut page = overview(site);
    page.head.description = None;
    page.head.files = None;
    page.readme = ReadmeView::Missing;
    page.install = Vec::new();
    page.facts = Facts::default();
    page.kept.truncate(1);
    page
}

fn hostile_overview(site: &Site) -> OverviewPage {
    let head = hostile_head();
    let mut page = overview(site);
    page.install = install::lines(&target(site, &head));
    page.head = head;
    page.facts.author = Some(WORD_1000());
    page.facts.license = Some(hostile());
    page.facts.repository = Some(format!("javascript:alert(1)//{}", hostile()));
    page.facts.keywords = vec![hostile(), WORD_1000(), NAME_100.to_owned()];
    page.kept[0].backend = hostile();
    page
}

fn version(version: &str, day: &str, seed: u64) -> VersionListRow {
    VersionListRow {
        name: VersionName::same(version),
        published_at: Some(time(&format!("{day}T10:00:00Z"))),
        size: Some(3_000 + seed * 97),
        digest: Some(digest(seed)),
        backend: "gitea".to_owned(),
        marks: Vec::new(),
    }
}

fn versions() -> VersionsPage {
    use VersionMark::{Ambiguous, Changed, Latest, PreRelease, Unread, Unversioned};

    let marked = |row: VersionListRow, marks: &[VersionMark]| VersionListRow {
        marks: marks.to_vec(),
        ..row
    };
    let mut latest = marked(version("2.0.0", "2026-09-03", 1), &[Latest]);
    latest.name.tag = "v2.0.0".into();
    let mut nightly = marked(version("nightly", "2026-11-29", 7), &[Unversioned, Unread]);
    (nightly.size, nightly.digest) = (None, None);
    let mut ambiguous = marked(version("1.0.0", "2026-01-05", 6), &[Ambiguous]);
    (ambiguous.size, ambiguous.digest, ambiguous.published_at) = (None, None, None);
    VersionsPage {
        head: head(),
        rows: vec![
            latest,
            marked(version("2.0.0-rc.1", "2026-08-03", 2), &[PreRelease]),
            version("1.31.0", "2026-05-03", 3),
            marked(version("1.30.4", "2026-03-01", 4), &[Changed]),
            version("1.29.0", "2026-02-11", 5),
            ambiguous,
            nightly,
        ],
        order: VersionOrder::Version,
    }
}

fn versions_by_date() -> VersionsPage {
    VersionsPage { order: VersionOrder::Published, ..versions() }
}

fn one_version() -> VersionsPage {
    let mut page = versions();
    page.rows.truncate(1);
    page
}

/// 250 versions over two years.
pub fn many_versions() -> VersionsPage {
    let rows = (0..250_u64).rev().map(|index| {
        let day =
            time("2024-09-01T10:00:00Z").as_second() + i64::try_from(index).unwrap() * 260_000;
        let at = jiff::Timestamp::from_second(day).unwrap();
        let name = format!("{}.{}.{}", index / 50, index / 5 % 10, index % 5);
        VersionListRow { published_at: Some(at), ..version(&name, "2026-01-01", index + 1) }
    });
    let order = VersionOrder::Version;
    VersionsPage { head: ExtensionHead { versions: 250, ..head() }, rows: rows.collect(), order }
}

fn hostile_versions() -> VersionsPage {
    let mut page = versions();
    page.head = hostile_head();
    page.rows[0].name = VersionName { version: hostile(), tag: WORD_1000() };
    page.rows[1].backend = hostile();
    page.rows[2].name = VersionName::same(WORD_1000());
    page
}
