//! The in-memory backend tells changes as the others do.

use registry_core::backend::Backend as _;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_testing::memory::MemoryBackend;

#[tokio::test]
async fn changes_are_told_from_a_cursor_on() {
    let backend = MemoryBackend::new(BackendId::OCI);
    let ids =
        ["a-provider", "b-provider"].map(|name| ExtensionId::from_oci_repository(name).unwrap());
    let since = |changes| match changes {
        Changes::These { dirty, cursor, .. } => (dirty, cursor),
        Changes::CannotTell => panic!("it can tell"),
    };
    backend.create(&ids[0]);
    let (dirty, cursor) = since(backend.changes(None).await.unwrap());
    assert_eq!(dirty, []);
    backend.create(&ids[1]);
    backend.remove(&ids[1]);
    let (dirty, next) = since(backend.changes(Some(&cursor)).await.unwrap());
    assert_eq!(dirty, ids[1..]);
    assert_eq!(since(backend.changes(Some(&next)).await.unwrap()).0, []);
    let foreign = backend.changes(Some(&ChangeCursor::new("9"))).await.unwrap();
    assert_eq!(foreign, Changes::CannotTell);
}
