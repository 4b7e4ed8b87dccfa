//! What leaves the service towards others: connections, and secrets.

mod addresses;
mod private;
mod proxies;
mod secrets;
