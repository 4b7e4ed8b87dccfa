//! Pages of lists are cut from one merged index, whatever the backends have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use registry_catalog::Merge;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_testing::memory::memory;
use serde_json::Value;

use crate::support::served::{Served, Setup};

/// What each backend has: type, name, version. Few names, so that backends share them.
type Contents = BTreeMap<BackendId, BTreeSet<(String, String, u8)>>;
/// Backend, name as it spells it, version; by lower name and type.
type Merged = BTreeMap<(String, String), Vec<(BackendId, String, u8)>>;

#[derive(Clone, Debug)]
struct Query {
    extension_type: Option<&'static str>,
    source: Option<BackendKind>,
    limit: Option<usize>,
    offset: Option<usize>,
}

fn contents() -> impl Strategy<Value = Contents> {
    let types = select(vec!["cluster", "provider", "taskserv"]).prop_map(str::to_owned);
    let names = "[a-c]{1,2}|[A-C]";
    let of_one = btree_set((types, names, 1_u8..4), 0..12).prop_map(|all| {
        // One backend has a name in one spelling.
        let mut spelled = BTreeMap::new();
        let spell = |(kind, name, version): (String, String, u8)| {
            let key = (kind.clone(), name.to_lowercase());
            let name = spelled.entry(key).or_insert(name).clone();
            (kind, name, version)
        };
        all.into_iter().map(spell).collect::<BTreeSet<_>>()
    });
    vec(of_one, 3)
        .prop_map(|sets| BackendKind::ALL.map(BackendId::from).into_iter().zip(sets).collect())
}

fn query() -> impl Strategy<Value = Query> {
    let types = of(select(vec!["cluster", "provider", "taskserv"]));
    (types, of(select(BackendKind::ALL.to_vec())), of(0_usize..8), of(0_usize..25)).prop_map(
        |(extension_type, source, limit, offset)| Query { extension_type, source, limit, offset },
    )
}

impl Query {
    fn path(&self) -> String {
        let mut path = "/extensions?".to_owned();
        let Self { extension_type, source, limit, offset } = self;
        if let Some(one) = &extension_type {
            path += &format!("type={one}&");
        }
        if let Some(one) = &source {
            path += &format!("source={one}&");
        }
        if let Some(one) = &limit {
            path += &format!("limit={one}&");
        }
        if let Some(one) = &offset {
            path += &format!("offset={one}&");
        }
        path
    }

    /// The rows over all pages, each as name, type, version and source: the naive way.
    fn rows(&self, contents: &Contents, merge: Merge) -> Vec<[String; 4]> {
        let mut merged = Merged::new();
        for (source, all) in contents {
            if self.source.is_some_and(|asked| asked != source.kind()) {
                continue;
            }
            for (kind, name, version) in all {
                if self.extension_type.is_none_or(|wanted| wanted == kind) {
                    let key = (name.to_lowercase(), kind.clone());
                    merged.entry(key).or_default().push((*source, name.clone(), *version));
                }
            }
        }
        let row = |((_, kind), releases): (_, Vec<(BackendId, String, u8)>)| {
            let (owner, name, _) = releases[0].clone();
            let owned = |one: &&(BackendId, String, u8)| merge == Merge::Union || one.0 == owner;
            // Of equal versions the earlier backend's.
            let best = releases.iter().filter(owned).rev().max_by_key(|one| one.2).unwrap();
            [name, kind, format!("{}.0.0", best.2), best.0.to_string()]
        };
        merged.into_iter().map(row).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

async fn check(contents: Contents, merge: Merge, queries: Vec<Query>) {
    let backends = contents.iter().map(|(source, all)| {
        let spelled =
            all.iter().map(|(kind, name, version)| format!("{kind}/{name}:{version}.0.0"));
        let spelled: Vec<String> = spelled.collect();
        memory(*source, &spelled.iter().map(String::as_str).collect::<Vec<_>>()) as Arc<dyn Backend>
    });
    let served = Served::with(backends.collect(), Setup { merge, ..Setup::default() }).await;
    for query in queries {
        let expected = query.rows(&contents, merge);
        let got = served.get(&query.path()).await;
        assert_eq!(got.header("x-total-count"), expected.len().to_string(), "{query:?}");
        let rows = got.json();
        let fields = ["name", "type", "version", "source"];
        let rows = rows.as_array().unwrap().iter().map(|row| fields.map(|name| text(&row[name])));
        let (limit, offset) = (query.limit.unwrap_or(100), query.offset.unwrap_or(0));
        let page: Vec<[String; 4]> = expected.into_iter().skip(offset).take(limit).collect();
        assert_eq!(rows.collect::<Vec<_>>(), page, "{query:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_equal_the_same_query_on_one_merged_index(
        contents in contents(),
        union in any::<bool>(),
        queries in vec(query(), 1..8),
    ) {
        let merge = if union { Merge::Union } else { Merge::Owner };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let checked = async {
            tokio::time::timeout(Duration::from_mins(1), check(contents, merge, queries)).await
        };
        runtime.block_on(checked).unwrap();
    }
}
