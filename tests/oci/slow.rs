//! A registry that is slow with older versions, behind the whole service.

use std::sync::Arc;

use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Sending};

use super::backend;
use crate::support::served::Served;

#[tokio::test]
async fn versions_that_could_not_be_read_in_time_are_listed_and_told_as_such() {
    let mut store = Store::default();
    for tag in ["1.0.0", "1.1.0", "1.2.0"] {
        store.push("provisioning/slow-taskserv", tag, tag.as_bytes());
    }
    store.push("provisioning/quick-taskserv", "1.0.0", b"quick");
    let server = ScriptedRegistry::start(move |seen| {
        if seen.target.ends_with("slow-taskserv/manifests/1.0.0") {
            return Reply::new(200).sending(Sending::Silence);
        }
        PlayedRegistry::new(Dialect::Distribution, store.clone()).answer(seen)
    });
    let server = server.await;
    let served = Served::over(vec![Arc::new(backend(&server.url()))]).await;
    for _ in 0..2 {
        let versions = served.get("/extensions/taskserv/slow/versions").await;
        assert_eq!(versions.column("version"), ["1.2.0", "1.1.0", "1.0.0"]);
        assert_eq!(versions.json()[2]["size"], serde_json::Value::Null);
        assert_eq!(versions.header("extension-registry-degraded"), "oci");
        assert_eq!(
            versions.header("cache-status"),
            "extension-registry; fwd=miss; detail=stale",
            "not kept"
        );
    }
    assert_eq!(server.count("slow-taskserv/manifests/1.0.0"), 1, "two callers, one question");
    let quick = served.get("/extensions/taskserv/quick/1.0.0").await;
    assert_eq!(quick.text(), "quick");
    assert_eq!(served.get("/extensions/taskserv/slow").await.json()["version"], "1.2.0");
}
