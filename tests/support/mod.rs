//! What tests share: short names, layouts, servers that play upstreams, and the service itself.

pub mod fake_gitea;
pub mod ids;
pub mod layouts;
pub mod scripted;
pub mod served;
