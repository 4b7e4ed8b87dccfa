//! How real registries page their lists: distribution 2 and 3, each where it is installed.

use bytes::Bytes;
use hyper::Method;
use registry_core::backend::Backend as _;
use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::{OCI_MANIFEST, Store};

use super::{backend, id};

const NAME: &str = "provisioning/aws-provider";

async fn registries() -> Vec<(&'static str, DockerRegistry)> {
    let (second, third) =
        (DockerRegistry::start(Access::Open).await, DockerRegistry::third(Access::Open).await);
    let second = second.map(|registry| ("2", registry));
    second.into_iter().chain(third.map(|registry| ("3", registry))).collect()
}

/// Pushes one manifest under so many tags.
async fn push_tags(pusher: &Pusher, count: usize) {
    let mut store = Store::default();
    store.blob(NAME, b"{}");
    store.push(NAME, "1.0.0", b"archive");
    pusher.store(&store).await;
    let held = &store.repositories[NAME];
    let manifest: &Bytes = &held.blobs[&held.tags[0].1];
    for number in 1..count {
        let target = format!("/v2/{NAME}/manifests/1.{number}.0");
        let headers = [("content-type", OCI_MANIFEST)];
        let (status, ..) = pusher.send(Method::PUT, &target, &headers, manifest.clone()).await;
        assert_eq!(status.as_u16(), 201);
    }
}

#[tokio::test]
async fn o03e_every_tag_of_a_real_registry_is_listed() {
    for count in [1, 99, 100, 101, 200, 230] {
        for (which, registry) in registries().await {
            push_tags(&Pusher::new(&registry.url(), None), count).await;
            let extension = backend(&registry.url()).extension(&id("aws-provider")).await.unwrap();
            assert_eq!(extension.releases().len(), count, "distribution {which}");
            let newest = format!("1.{}.0", count - 1);
            assert_eq!(extension.latest().unwrap().version.as_str(), newest);
            assert!(extension.coverage().is_complete(), "{which}: {:?}", extension.coverage());
        }
    }
}

#[tokio::test]
async fn o03f_every_repository_of_a_real_registry_is_listed() {
    for (which, registry) in registries().await {
        let pusher = Pusher::new(&registry.url(), None);
        for number in 0..201 {
            let mut store = Store::default();
            let name = format!("provisioning/e{number:03}-provider");
            store.blob(&name, b"{}");
            store.push(&name, "1.0.0", b"archive");
            pusher.store(&store).await;
            if [100, 101, 200, 201].contains(&(number + 1)) {
                let listing = backend(&registry.url()).listing().await.unwrap();
                let expected = (number + 1, true);
                let found = (listing.ids.len(), listing.coverage.is_complete());
                assert_eq!(found, expected, "distribution {which}: {:?}", listing.coverage);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn o02e_a_registry_under_a_path_that_knows_nothing_of_it_is_listed_whole() {
    use registry_testing::scripted_registry::{Reply, ScriptedRegistry};
    for (which, registry) in registries().await {
        let pusher = Pusher::new(&registry.url(), None);
        push_tags(&pusher, 230).await;
        let inner = registry.url();
        // A proxy that cuts the path, and passes on what the registry says.
        let runtime = tokio::runtime::Handle::current();
        let proxy = ScriptedRegistry::start(move |seen| {
            let Some(target) = seen.target.strip_prefix("/sub/path") else {
                return Reply::new(404);
            };
            let (pusher, target) = (Pusher::new(&inner, None), target.to_owned());
            let (method, accept) = (seen.method.clone(), seen.header("accept").map(str::to_owned));
            let accept = accept.as_deref().unwrap_or("*/*");
            let answer = tokio::task::block_in_place(|| {
                let headers = [("accept", accept)];
                runtime.block_on(pusher.send(method, &target, &headers, Bytes::new()))
            });
            let (status, headers, body) = answer;
            let mut reply = Reply::new(status.as_u16()).bytes(body);
            for name in ["content-type", "link", "docker-content-digest"] {
                if let Some(value) = headers.get(name) {
                    reply = reply.header(name, value.to_str().unwrap());
                }
            }
            reply
        })
        .await;
        let url = format!("{}/sub/path", proxy.url());
        let extension = backend(&url).extension(&id("aws-provider")).await.unwrap();
        assert_eq!(extension.releases().len(), 230, "distribution {which}");
        assert!(extension.coverage().is_complete());
    }
}
