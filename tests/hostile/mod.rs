//! What one client can take from all others, and what strangers learn: the second attack from outside,
//! each entry as a test of its number.

mod aside;
mod behind_proxy;
mod caches;
mod framing;
mod held;
mod process;
mod stalled;
mod strangers;
