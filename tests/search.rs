//! Search: a golden set over three hundred names, and the index against the plain definition.

use std::sync::Arc;

use proptest::prelude::*;
use registry_catalog::search::SearchIndex;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{Extension, Release};
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::memory;
use registry_testing::plain_search::{Described, plain_search};

use crate::support::served::Served;

const CATALOG: &str = include_str!("fixtures/search-catalogue.txt");
const GOLDEN: &str = include_str!("fixtures/search-golden.txt");

/// An extension as lists of tests have it.
struct Listed(Arc<Extension>);

impl AsRef<Arc<Extension>> for Listed {
    fn as_ref(&self) -> &Arc<Extension> {
        &self.0
    }
}

fn listed(described: &Described) -> Arc<Listed> {
    let keywords: Vec<&str> = described.keywords.iter().map(String::as_str).collect();
    let release = Release {
        about: Arc::new(about(&described.description, &keywords)),
        artifact: registry_core::models::artifact::ArtifactChoice::Unread,
        ..Release::of_tag(BackendId::LOCAL, tag("1.0.0"))
    };
    Arc::new(Listed(Arc::new(Extension::new(id(&described.id), vec![release]))))
}

/// The list in the order of ids.
fn list(described: &[Described]) -> Arc<[Arc<Listed>]> {
    let mut list: Vec<_> = described.iter().map(listed).collect();
    list.sort_by(|a, b| a.0.id().cmp(b.0.id()));
    list.into()
}

fn found(index: &SearchIndex<Listed>, query: &str) -> Vec<String> {
    index.search(query, None).into_iter().map(|entry| entry.0.id().to_string()).collect()
}

fn catalog() -> Vec<Described> {
    let described = |line: &str| {
        let [id, keywords, description] = line.split(" | ").collect::<Vec<_>>().try_into().unwrap();
        Described {
            id: id.to_owned(),
            keywords: keywords.split(", ").map(ToOwned::to_owned).collect(),
            description: description.to_owned(),
        }
    };
    CATALOG.lines().map(described).collect()
}

#[test]
fn the_golden_searches_find_what_they_should_in_order() {
    let described = catalog();
    assert_eq!(described.len(), 300);
    let index = SearchIndex::default().next(list(&described));
    let mut wrong = Vec::new();
    let golden = GOLDEN.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in golden.clone() {
        let (query, expected) = line.split_once(" =>").unwrap();
        let expected: Vec<&str> = expected.split_whitespace().collect();
        let found = found(&index, query);
        if found != expected {
            wrong.push(format!("{query:?}\n  expected {expected:?}\n  found    {found:?}"));
        }
        assert_eq!(found, plain_search(&described, query), "the plain definition of {query:?}");
    }
    assert!(golden.count() >= 60);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn searches_are_of_one_type_or_source_and_count_all_that_they_found() {
    let gitea = memory(BackendId::GITEA, &["provider/aws:1.0.0", "taskserv/aws-cli:1.0.0"]);
    let oci = memory(BackendId::OCI, &["provider/aws:2.0.0", "cluster/aws-web:1.0.0"]);
    let backends: Vec<Arc<dyn Backend>> = vec![gitea, oci];
    let service = Served::over(backends).await;
    for (query, total, names) in [
        ("q=aws", "3", &["aws", "aws-cli", "aws-web"][..]),
        ("q=aws&limit=1&offset=1", "3", &["aws-cli"]),
        ("q=aws&limit=0", "3", &[]),
        ("q=aws&type=provider", "1", &["aws"]),
        ("q=aws&source=oci", "2", &["aws", "aws-web"]),
        ("q=aws&source=oci&type=taskserv", "0", &[]),
        ("q=aws&source=local", "0", &[]),
        ("q=%2D%2D", "0", &[]),
    ] {
        let got = service.get(&format!("/extensions/search?{query}")).await;
        assert_eq!(got.header("x-total-count"), total, "{query}");
        assert_eq!(got.column("name"), names, "{query}");
    }
}

/// A few letters, so that words meet each other often, and what joins and parts them.
fn word() -> impl Strategy<Value = String> {
    "[abzK09é]{1,4}([-._+]{0,2}[abßΣ]{1,6})?[-.]?"
}

fn described() -> impl Strategy<Value = Described> {
    let id = ("(provider|taskserv)", "[abzAB0]{1,4}([-._]?[abz]{0,6})[-.]?");
    let keyword = proptest::collection::vec(word(), 1..3).prop_map(|words| words.join(" "));
    let text = proptest::collection::vec((word(), "( |, |/|\\. )"), 0..6);
    let text = text.prop_map(|words| words.into_iter().map(|(a, b)| a + &b).collect::<String>());
    (id, proptest::collection::vec(keyword, 0..3), text).prop_map(
        |((extension_type, name), keywords, description)| Described {
            id: format!("{extension_type}/{name}"),
            keywords,
            description,
        },
    )
}

/// A list by id without regard to case, each id once.
fn some_described(max: usize) -> impl Strategy<Value = Vec<Described>> {
    proptest::collection::vec(described(), 0..max).prop_map(|mut all| {
        all.sort_by_key(|one| one.id.to_ascii_lowercase());
        all.dedup_by_key(|one| one.id.to_ascii_lowercase());
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_index_of_any_list_after_any_other_is_the_plain_definition(
        lists in proptest::collection::vec(some_described(30), 1..5),
        kept in proptest::collection::vec(any::<bool>(), 120),
        queries in proptest::collection::vec(proptest::collection::vec(word(), 1..4), 1..8),
    ) {
        let mut index = SearchIndex::<Listed>::default();
        let mut before: Vec<(Described, Arc<Listed>)> = Vec::new();
        for described in lists {
            // Some of what the list before had stays as it is, some is replaced, the rest goes.
            let mut now: Vec<_> = before.into_iter().zip(&kept).filter(|(_, kept)| **kept)
                .map(|(one, _)| one).collect();
            for one in described {
                now.retain(|(other, _)| !other.id.eq_ignore_ascii_case(&one.id));
                now.push((one.clone(), listed(&one)));
            }
            now.sort_by(|(_, a), (_, b)| a.0.id().cmp(b.0.id()));
            index = index.next(now.iter().map(|(_, listed)| Arc::clone(listed)).collect());
            let plain: Vec<Described> = now.iter().map(|(one, _)| one.clone()).collect();
            for query in &queries {
                let query = query.join(" ");
                prop_assert_eq!(found(&index, &query), plain_search(&plain, &query), "{}", query);
            }
            before = now;
        }
    }
}
