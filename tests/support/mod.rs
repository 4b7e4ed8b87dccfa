//! What tests share: short names, layouts, servers that obey, play or are real upstreams, and the
//! service itself.

pub mod committed;
pub mod figures;
#[allow(dead_code, reason = "each test program uses a part of it")]
pub mod layouts;
pub mod liveness;
pub mod program;
pub mod raw;
pub mod served;
