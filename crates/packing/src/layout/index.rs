//! The file `index.json` of a layout: descriptors with tags. Fields that are not ours stay.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use registry_core::models::oci_manifest::{INDEX_TYPE, REF_NAME};
use registry_core::models::tag::Tag;
use serde_json::{Map, Value, json};

const MANIFESTS: &str = "manifests";

/// Parses a `ref.name`, or the tag in a `ref.name` that is a whole image reference
/// (`localhost:5000/ns/a:1.0.0`). Returns `None` outside the grammar of tags.
#[must_use]
pub fn tag_of(ref_name: &str) -> Option<Tag> {
    // A colon before the last slash belongs to a port, not to a tag.
    let last_segment = ref_name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = ref_name
        .get(last_segment..)
        .and_then(|segment| segment.rsplit_once(':'))
        .map_or(ref_name, |(_, tag)| tag);
    tag.parse().ok()
}

/// An index with its descriptors apart.
#[derive(Debug)]
pub(super) struct LayoutIndex {
    fields: Map<String, Value>,
    descriptors: Vec<Value>,
}

impl LayoutIndex {
    /// Reads the file. A missing one has no descriptors.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let index = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, MANIFESTS: []});
                index.to_string().into_bytes()
            }
            Err(error) => return Err(error),
        };
        let invalid = |reason: String| {
            let message = format!("{} is no index of a layout: {reason}", path.display());
            io::Error::new(ErrorKind::InvalidData, message)
        };
        let mut fields: Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        match fields.remove(MANIFESTS) {
            Some(Value::Array(descriptors)) => Ok(Self { fields, descriptors }),
            _ => Err(invalid("it has no list of manifests".to_owned())),
        }
    }

    pub(super) fn tagged(&self, tag: &str) -> Option<&Value> {
        self.descriptors.iter().find(|descriptor| has_tag(descriptor, tag))
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.descriptors.iter().filter_map(ref_name)
    }

    pub(super) fn put(&mut self, mut descriptor: Value, tag: Option<&str>) {
        if let Some(tag) = tag {
            self.untag(tag);
            if let Some(fields) = descriptor.as_object_mut() {
                let annotations = fields.entry("annotations").or_insert_with(|| json!({}));
                if let Some(annotations) = annotations.as_object_mut() {
                    annotations.insert(REF_NAME.to_owned(), tag.into());
                }
            }
        } else if self.descriptors.contains(&descriptor) {
            return;
        }
        self.descriptors.push(descriptor);
    }

    pub(super) fn untag(&mut self, tag: &str) -> bool {
        let before = self.descriptors.len();
        self.descriptors.retain(|descriptor| !has_tag(descriptor, tag));
        self.descriptors.len() < before
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut fields = self.fields.clone();
        fields.insert(MANIFESTS.to_owned(), Value::Array(self.descriptors.clone()));
        Value::Object(fields).to_string().into_bytes()
    }
}

fn ref_name(descriptor: &Value) -> Option<&str> {
    descriptor.get("annotations")?.get(REF_NAME)?.as_str()
}

fn has_tag(descriptor: &Value, tag: &str) -> bool {
    ref_name(descriptor).is_some_and(|name| {
        name == tag || tag_of(name).is_some_and(|parsed| parsed.as_str() == tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_names_give_their_tag() {
        for (ref_name, tag) in [
            ("1.0.0", Some("1.0.0")),
            ("localhost:5000/ns/a:1.0.0", Some("1.0.0")),
            ("a:1.0.0", Some("1.0.0")),
            ("rel/2025", Some("rel/2025")),
            ("1.0.0+b", Some("1.0.0+b")),
            ("a@sha256:00", Some("00")),
            ("../x", None),
            ("", None),
        ] {
            assert_eq!(tag_of(ref_name), tag.map(|tag| tag.parse().unwrap()), "{ref_name}");
        }
    }
}
