//! What tests share.

pub mod layouts;
