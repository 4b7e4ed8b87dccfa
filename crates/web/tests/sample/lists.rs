//! Sample home pages, lists and searches.

use registry_web::backend_state::BackendStateView;
use registry_web::error::Result;
use registry_web::extension_ref::ExtensionRef;
use registry_web::extension_type::TypeView::{self, Cluster, Provider, Taskserv};
use registry_web::links::list_query::ListQuery;
use registry_web::notices;
use registry_web::pages::home::{BackendLine, EmptyCatalog, HomePage, NewVersion, SearchedPlace};
use registry_web::pages::list::{ListPage, ListRow};
use registry_web::site::Site;
use registry_web::version_name::VersionName;

use super::{NAME_100, Sample, WORD_1000, hostile, sample, time};

pub fn samples(site: &Site) -> Result<Vec<Sample>> {
    let demo = Site { demo: true, ..site.clone() };
    let empty_site = Site { extensions: 0, ..site.clone() };
    let stale = HomePage {
        notices: vec![notices::stale(site, "oci", time("2026-09-03T16:04:00Z"), None)],
        backends: troubled(),
        ..home()
    };
    Ok(vec![
        sample("home", home().render(site))?,
        sample("home-demo", home().render(&demo))?,
        sample("home-stale", stale.render(site))?,
        sample("home-empty", empty_home().render(&empty_site))?,
        sample("list", list().render(site))?,
        sample("list-missing", missing_part(site).render(site))?,
        sample("list-hostile", hostile_list().render(site))?,
        sample("list-empty", nothing(None).render(site))?,
        sample("search", search("kubernetes").render(site))?,
        sample("search-near", near().render(site))?,
        sample("search-nothing", nothing(Some("no such thing")).render(site))?,
    ])
}

fn troubled() -> Vec<BackendLine> {
    let since = time("2026-09-03T16:04:00Z");
    let line = |name: &str, state| BackendLine { name: name.to_owned(), state };
    vec![
        line("gitea", BackendStateView::Answering),
        line("oci", BackendStateView::Unreachable { since }),
        line("local", BackendStateView::NeverHeard),
    ]
}

fn newest(extension_type: TypeView, name: &str, version: &str, day: &str) -> NewVersion {
    NewVersion {
        id: ExtensionRef::new(extension_type, name),
        version: VersionName::same(version),
        published_at: Some(time(&format!("{day}T10:00:00Z"))),
        backend: "gitea".to_owned(),
    }
}

pub fn home() -> HomePage {
    let mut newest = vec![
        newest(Taskserv, "openobserve", "0.1.0-beta.2", "2026-10-01"),
        newest(Taskserv, "kubernetes", "1.31.0", "2026-09-03"),
        newest(Cluster, "buildkit", "0.4.1", "2026-07-07"),
        newest(Provider, "aws", "1.2.0", "2026-02-11"),
        newest(Provider, NAME_100, "2026.11.29-nightly+build.20261129.1", "2025-11-29"),
    ];
    newest.push(NewVersion { published_at: None, ..newest[3].clone() });
    let line =
        |name: &str| BackendLine { name: name.to_owned(), state: BackendStateView::Answering };
    HomePage {
        notices: Vec::new(),
        providers: 5,
        taskservs: 8,
        clusters: 3,
        newest,
        backends: vec![line("gitea"), line("oci")],
        empty: None,
    }
}

fn empty_home() -> HomePage {
    let place = |backend: &str, location: &str, names: &str| SearchedPlace {
        backend: backend.to_owned(),
        location: location.to_owned(),
        names: names.to_owned(),
    };
    let empty = EmptyCatalog {
        places: vec![
            place(
                "gitea",
                "git.example.com/provisioning",
                "{name}_prov, {name}_taskserv, {name}_cluster",
            ),
            place(
                "oci",
                "registry.example.com/provisioning",
                "{name}-provider, {name}-taskserv, {name}-cluster",
            ),
        ],
        commands: vec![
            "tar -czf aws-provider.tar.gz aws/".to_owned(),
            "oras push registry.example.com/provisioning/aws-provider:0.1.0 aws-provider.tar.gz"
                .to_owned(),
        ],
    };
    HomePage {
        newest: Vec::new(),
        empty: Some(empty),
        providers: 0,
        taskservs: 0,
        clusters: 0,
        ..home()
    }
}

fn row(extension_type: TypeView, name: &str, version: &str, text: Option<&str>) -> ListRow {
    ListRow {
        id: ExtensionRef::new(extension_type, name),
        version: VersionName::same(version),
        description: text.map(str::to_owned),
        backend: "gitea".to_owned(),
        also_in: Vec::new(),
        published_at: Some(time("2026-09-03T10:00:00Z")),
        is_pre_release_only: false,
    }
}

fn list() -> ListPage {
    let kubernetes = row(
        Taskserv,
        "kubernetes",
        "1.31.0",
        Some("Kubernetes control plane and worker nodes with kubeadm, for Debian and Ubuntu hosts"),
    );
    ListPage {
        query: ListQuery::default(),
        notices: Vec::new(),
        total: 116,
        rows: vec![
            ListRow { also_in: vec!["oci".to_owned()], ..kubernetes },
            row(
                Provider,
                "aws",
                "1.2.0",
                Some("AWS provider: EC2, VPC, Route 53 and S3 for provisioning workspaces"),
            ),
            row(
                Cluster,
                "buildkit",
                "0.4.1",
                Some("Rootless BuildKit daemons on Kubernetes for shared container image builds"),
            ),
            row(Provider, NAME_100, "2026.11.29-nightly+build.20261129.1", None),
            ListRow {
                is_pre_release_only: true,
                ..row(
                    Taskserv,
                    "openobserve",
                    "0.1.0-beta.2",
                    Some("Logs, metrics and traces in one binary"),
                )
            },
        ],
        near_miss: None,
        types: vec![(Provider, 5), (Taskserv, 8), (Cluster, 103)],
        backends: vec![("gitea".to_owned(), 4), ("oci".to_owned(), 9), ("none".to_owned(), 0)],
        keywords: vec![
            ("containers".to_owned(), 6),
            ("cloud".to_owned(), 5),
            ("logs".to_owned(), 1),
        ],
    }
}

fn missing_part(site: &Site) -> ListPage {
    let query = ListQuery {
        extension_type: Some(Taskserv),
        keywords: vec!["containers".to_owned()],
        page_index: 1,
        ..ListQuery::default()
    };
    ListPage { notices: vec![notices::missing_part(site, &["local".to_owned()])], query, ..list() }
}

fn hostile_list() -> ListPage {
    let hostile_row = |name: &str, text: &str| ListRow {
        backend: hostile(),
        also_in: vec![hostile(), WORD_1000()],
        ..row(Provider, name, &hostile(), Some(text))
    };
    ListPage {
        rows: vec![
            hostile_row(&hostile(), &hostile()),
            hostile_row(NAME_100, &"long text ".repeat(10_000)),
            hostile_row(&WORD_1000(), &WORD_1000()),
            hostile_row("\u{5d0}\u{5d1}\u{200f}\u{202b}", "\u{202e}reversed"),
        ],
        keywords: vec![(hostile(), 3), (WORD_1000(), 1)],
        backends: vec![(hostile(), 2)],
        ..search(&hostile())
    }
}

fn search(words: &str) -> ListPage {
    let query = ListQuery { words: Some(words.to_owned()), ..ListQuery::default() };
    ListPage { query, total: 5, ..list() }
}

fn near() -> ListPage {
    ListPage { near_miss: Some("kubernetes".to_owned()), ..search("kuberentes") }
}

fn nothing(words: Option<&str>) -> ListPage {
    let query = ListQuery {
        words: words.map(str::to_owned),
        backend: words.is_none().then(|| "oci".to_owned()),
        ..ListQuery::default()
    };
    ListPage {
        query,
        total: 0,
        rows: Vec::new(),
        types: Vec::new(),
        backends: Vec::new(),
        keywords: Vec::new(),
        ..list()
    }
}
