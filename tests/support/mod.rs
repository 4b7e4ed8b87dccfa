//! What tests stand on: servers that obey, play or are real, and what is put into them.

pub(crate) mod docker_registry;
pub(crate) mod played_registry;
pub(crate) mod pusher;
pub(crate) mod registry_store;
pub(crate) mod scripted_registry;
pub(crate) mod token_server;
