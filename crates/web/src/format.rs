//! Texts for numbers, times and names.

pub mod amount;
pub mod duration;
pub mod file_mode;
pub mod size;
pub mod time;
pub mod visible;
