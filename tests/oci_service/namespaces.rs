//! The namespace of the repositories: a configured one, that of the registries, or the default.

use registry_testing::registry_store::{Store, release};

use super::{Program, registry, warnings};

fn entry(name: &str, url: &str, namespace: &str) -> String {
    format!("[[oci]]\nname = \"{name}\"\nregistry = \"{url}\"\nnamespace = \"{namespace}\"\n")
}

/// Starts the program over two registries with an extension each, in these namespaces.
async fn over(namespaces: [&str; 2], facade: &str) -> (Program, [Store; 2]) {
    let stores = [("aws-provider", "1.0.0"), ("vault-taskserv", "2.0.0")];
    let mut at = 0;
    let stores = stores.map(|(name, tag)| {
        at += 1;
        release(&format!("{}/{name}", namespaces[at - 1]), tag, name, name.as_bytes())
    });
    let one = registry(stores[0].clone()).await;
    let two = registry(stores[1].clone()).await;
    let config = format!(
        "{facade}{}{}",
        entry("one", &one.url(), namespaces[0]),
        entry("two", &two.url(), namespaces[1])
    );
    let program = Program::start(&config).await;
    let expected = |namespace: &str| {
        vec![format!("{namespace}/aws-provider"), format!("{namespace}/vault-taskserv")]
    };
    let namespace = if facade.is_empty() {
        if namespaces[0] == namespaces[1] { namespaces[0] } else { "extensions" }
    } else {
        "team/infra"
    };
    assert_eq!(program.repositories().await, expected(namespace));
    for (repository, tag, bytes) in
        [("aws-provider", "1.0.0", "aws-provider"), ("vault-taskserv", "2.0.0", "vault-taskserv")]
    {
        let repository = format!("{namespace}/{repository}");
        assert_eq!(program.pull(&repository, tag).await, bytes.as_bytes());
    }
    for store in &stores {
        let (path, held) = store.repositories.first_key_value().unwrap();
        let (tag, digest) = &held.tags[0];
        let name = path.rsplit('/').next().unwrap();
        // Stored manifests keep their bytes, whatever namespace they are served in.
        assert_eq!(&program.digest(&format!("{namespace}/{name}"), tag).await, digest);
        if !path.starts_with(namespace) {
            let other = program.get(&format!("/v2/{path}/tags/list")).await;
            assert_eq!((other.status.as_u16(), &*super::code(&other)), (404, "NAME_UNKNOWN"));
        }
    }
    (program, stores)
}

#[tokio::test]
async fn registries_that_share_a_namespace_give_it_to_clients() {
    let (program, _) = over(["provisioning", "provisioning"], "").await;
    assert_eq!(warnings(&program.running, "namespace"), Vec::<String>::new());
}

#[tokio::test]
async fn registries_with_different_namespaces_cause_one_warning_that_names_the_result() {
    let (program, _) = over(["provisioning", "platform/tools"], "").await;
    let warnings = warnings(&program.running, "facade.namespace");
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    for named in ["extensions/", "provisioning", "platform/tools"] {
        assert!(warning.contains(named), "{named}: {warning}");
    }
}

#[tokio::test]
async fn a_configured_namespace_counts_whatever_the_registries_have() {
    for namespaces in [["provisioning", "provisioning"], ["provisioning", "platform"]] {
        let facade = "[facade]\nnamespace = \"team/infra\"\n";
        let (program, _) = over(namespaces, facade).await;
        assert_eq!(warnings(&program.running, "namespace"), Vec::<String>::new());
    }
}
