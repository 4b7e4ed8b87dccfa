//! Charts as inline SVG, drawn on the server with presentation attributes only.

pub mod day;
pub mod timeline;
