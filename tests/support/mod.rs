//! What tests share.

pub mod ids;
pub mod layouts;
pub mod served;
