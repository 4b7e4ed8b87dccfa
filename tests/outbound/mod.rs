//! What leaves the service towards others: connections, and secrets.

mod addresses;
mod hostile;
mod large;
mod private;
mod proxies;
mod secrets;
mod uploads;
