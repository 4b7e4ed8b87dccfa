//! OpenAPI schemas of types that are one of a few words.

use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::models::backend_kind::BackendKind;
use crate::models::naming::ExtensionType;

impl PartialSchema for ExtensionType {
    fn schema() -> RefOr<Schema> {
        words("Type of an extension.", Self::ALL.map(Self::as_str))
    }
}

impl ToSchema for ExtensionType {}

impl PartialSchema for BackendKind {
    fn schema() -> RefOr<Schema> {
        words("Kind of a backend.", Self::ALL.map(Self::as_str))
    }
}

impl ToSchema for BackendKind {}

fn words<const N: usize>(description: &str, words: [&'static str; N]) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    schema.description(Some(description)).into()
}
