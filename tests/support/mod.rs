//! What tests share.

pub mod ids;
pub mod layouts;
pub mod scripted;
pub mod served;
