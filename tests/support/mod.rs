//! What tests share: short names, layouts, servers that obey, play or are real upstreams, and the
//! service itself.

pub mod canary;
pub mod certificates;
pub mod chaos;
pub mod docker_registry;
pub mod fake_gitea;
pub mod figures;
pub mod http2;
pub mod ids;
pub mod layouts;
pub mod liveness;
pub mod log;
pub mod memory;
pub mod nginx;
pub mod plain_search;
pub mod played_registry;
pub mod program;
pub mod pusher;
pub mod raw;
pub mod registry_store;
pub mod scripted;
pub mod scripted_registry;
pub mod served;
pub mod token_server;
pub mod tools;
