//! Public JSON.

pub mod metadata_view;
pub mod views;
