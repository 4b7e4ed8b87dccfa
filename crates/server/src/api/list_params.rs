//! Parameters of lists: their order, and the keywords that they are restricted to.

use std::sync::Arc;

use registry_catalog::listing::filter::ListOrder;
use registry_catalog::listing::keyword::{InvalidKeyword, KEYWORD_MAX, KEYWORDS_MAX, Keyword};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::schema::{Array, Type};
use utoipa::openapi::{ArrayBuilder, Object, ObjectBuilder};

use crate::api::params::bad_request;
use crate::edge::problem::Problem;

const ORDERS: [ListOrder; 2] = [ListOrder::Name, ListOrder::Published];

/// `?sort=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SortParam {
    #[param(schema_with = sort_schema)]
    sort: Option<String>,
}

impl SortParam {
    pub(crate) fn order(&self) -> Result<ListOrder, Problem> {
        let Some(word) = self.sort.as_deref() else { return Ok(ListOrder::Name) };
        let order = ORDERS.into_iter().find(|order| order.as_str() == word);
        order.ok_or_else(|| Problem::bad_request("sort must be one of name, published"))
    }
}

/// `?keyword=`, once for each keyword.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeywordParam {
    #[param(schema_with = keyword_schema, required = false)]
    keyword: Vec<String>,
}

impl KeywordParam {
    pub(crate) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        Self { keyword: values.map(str::to_owned).collect() }
    }

    pub(crate) fn keywords(&self) -> Result<Arc<[Keyword]>, Problem> {
        if self.keyword.len() > KEYWORDS_MAX {
            return Err(bad_request(InvalidKeyword));
        }
        self.keyword.iter().map(|text| text.parse().map_err(bad_request)).collect()
    }
}

// Schemas built by hand need their own description.
fn sort_schema() -> Object {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    let schema = schema.description(Some(
        "Order: by name, or by the time of publication, newest first, then those without one",
    ));
    schema.enum_values(Some(ORDERS.map(ListOrder::as_str))).default(Some("name".into())).build()
}

fn keyword_schema() -> Array {
    let keyword = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(KEYWORD_MAX))
        .pattern(Some("[^\\s\\u0085]"));
    let description = "Only extensions with this keyword, whole, without regard to case; repeatable, \
                       and all must match";
    let keywords = ArrayBuilder::new().items(keyword).max_items(Some(KEYWORDS_MAX));
    keywords.description(Some(description)).build()
}
