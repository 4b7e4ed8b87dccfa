//! Short ways to name things.

use std::sync::atomic::{AtomicU64, Ordering};

use registry_core::models::extension::{About, Extension};
use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::Tag;

/// `provider/aws` and its like.
pub fn id(text: &str) -> ExtensionId {
    let (extension_type, name) = text.split_once('/').unwrap();
    ExtensionId { name: name.parse().unwrap(), extension_type: extension_type.parse().unwrap() }
}

/// The prefix and a number, which no other call on this machine returns.
pub fn unique(prefix: &str) -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
}

/// A tag.
pub fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// A publisher's words: a description and keywords.
pub fn about(description: &str, keywords: &[&str]) -> About {
    About {
        description: Some(description.into()),
        keywords: keywords.iter().map(|&word| word.into()).collect(),
        ..About::default()
    }
}

/// The reasons of an extension's faults.
pub fn reasons(extension: &Extension) -> Vec<&str> {
    extension.faults().iter().map(|fault| fault.reason.as_str()).collect()
}
