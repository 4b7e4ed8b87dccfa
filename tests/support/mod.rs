//! What the integration tests share: servers that play upstreams.

pub(crate) mod fake_gitea;
