//! The OCI pull API as clients see it.

mod endpoints;
