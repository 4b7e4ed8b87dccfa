//! Reference of the API, made from the contract, with examples of this catalog.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use registry_catalog::index::view::View;
use registry_core::models::scope::Scope;
use registry_web::pages::reference::{
    Example, Group, OperationView, Parameter, ReferencePage, Response as Answer,
};
use registry_web::site::Site;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::edge::problem::Problem;
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

/// Maximum length of the body of an example, in bytes.
const BODY_MAX: usize = 2000;
const METHODS: [&str; 2] = ["get", "post"];

/// The parts of the contract that the page shows.
#[derive(Deserialize)]
struct ContractDocument {
    paths: Map<String, Value>,
    /// Groups in the order of the page.
    tags: Vec<ContractTag>,
}

#[derive(Deserialize)]
struct ContractTag {
    name: String,
}

/// An operation of the contract.
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    summary: String,
    description: Option<String>,
    #[serde(default)]
    parameters: Vec<DescribedParameter>,
    #[serde(default)]
    responses: Map<String, Value>,
}

#[derive(Deserialize)]
struct DescribedParameter {
    name: String,
    r#in: String,
    #[serde(default)]
    required: bool,
    description: Option<String>,
    #[serde(default)]
    schema: Value,
}

/// An operation with its group.
#[derive(Clone, Debug)]
struct Placed {
    group: String,
    operation: OperationView,
    /// Path and query of the example, before the base path.
    target: Option<String>,
}

/// Responds with the reference.
pub async fn reference(
    State(pages): State<Pages>,
    request: PageRequest,
) -> Result<Response, Problem> {
    let data = pages.api.answers.list_data(Scope::All).await?;
    let page = KeptPage::html("reference".to_owned(), 0).of_view();
    if let Some(kept) = pages.kept(&request, &data, &page) {
        return Ok(kept);
    }
    let mut placed = operations(&pages, &data.view);
    for one in &mut placed {
        if let (Some(target), Some(example)) = (&one.target, &mut one.operation.example) {
            example.body = answered(&pages, target).await.unwrap_or_default();
        }
    }
    let render = move |site: &Site, _: &SeenBackends| grouped(placed, site).render(site);
    pages.respond(&request, &data, page, render).await
}

fn operations(pages: &Pages, view: &View) -> Vec<Placed> {
    let contract = serde_json::from_slice::<ContractDocument>(pages.api.openapi.body());
    let Ok(ContractDocument { paths, tags }) = contract else { return Vec::new() };
    let all = paths.into_iter().flat_map(|(path, methods)| {
        let found = METHODS.map(|method| Some((method, methods.get(method)?.clone())));
        found
            .into_iter()
            .flatten()
            .map(move |(method, described)| (path.clone(), method, described))
    });
    let placed = all.filter_map(|(path, method, described)| {
        Some(place(path, method, serde_json::from_value(described).ok()?, view))
    });
    let mut placed: Vec<Placed> = placed.collect();
    placed.sort_by_key(|one| tags.iter().position(|tag| tag.name == one.group));
    placed
}

fn place(path: String, method: &str, described: Described, view: &View) -> Placed {
    let is_read = method == "get";
    let target = is_read.then(|| target(&path, &described.parameters, view)).flatten();
    let responses = described.responses.iter().filter_map(|(status, response)| {
        let description = response.get("description")?.as_str()?.to_owned();
        Some(Answer { status: status.clone(), description })
    });
    let operation = OperationView {
        method: method.to_uppercase(),
        path,
        summary: described.summary,
        description: described.description,
        responses: responses.collect(),
        parameters: described.parameters.into_iter().map(parameter).collect(),
        example: target.as_ref().map(|_| Example { address: String::new(), body: String::new() }),
    };
    Placed { group: described.tags.into_iter().next().unwrap_or_default(), operation, target }
}

fn parameter(described: DescribedParameter) -> Parameter {
    let DescribedParameter { name, r#in, required, description, schema } = described;
    // Schemas that are built by hand carry the description themselves.
    let of_schema = || schema.get("description")?.as_str().map(str::to_owned);
    let description = description.or_else(of_schema).unwrap_or_default();
    Parameter { name, place: r#in, is_required: required, description }
}

/// Returns an example for the first extension of the catalog; `None` without one that fits.
fn target(path: &str, parameters: &[DescribedParameter], view: &View) -> Option<String> {
    let mut target = path.to_owned();
    let mut separator = '?';
    if target.contains('{') || parameters.iter().any(|one| one.name == "q") {
        let entry = view.entries(Scope::All).first()?;
        let (id, latest) = (entry.id(), entry.extension.latest()?);
        let version = entry.extension.name_of(latest).replace('/', "%2F");
        target = target
            .replace("{type}", id.extension_type.as_str())
            .replace("{name}", id.name.as_str())
            .replace("{version}", &version);
        for (parameter, value) in [("q", id.name.as_str()), ("constraint", "*")] {
            if parameters.iter().any(|one| one.name == parameter && one.required) {
                target.push_str(&format!("{separator}{parameter}={value}"));
                separator = '&';
            }
        }
    }
    if parameters.iter().any(|one| one.name == "limit") {
        target.push_str(&format!("{separator}limit=1"));
    }
    (!target.contains('{')).then_some(target)
}

/// Returns the body of the answer to a cached query of the API; `None` for other targets.
async fn answered(pages: &Pages, target: &str) -> Option<String> {
    let uri: Uri = target.parse().ok()?;
    let query = pages.api.targets.parse(&uri, pages.catalog()).ok()?.into_query();
    let answer = pages.api.answers.answer(&query).await.ok()?;
    let body = answer.content.rendered.body().clone();
    let text = indented(&body).unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
    match text.char_indices().find(|(at, _)| *at >= BODY_MAX) {
        Some((end, _)) => Some(format!("{}\n…", text.get(..end).unwrap_or_default())),
        None => Some(text),
    }
}

/// Indents JSON. Its fields keep their order, which a parsed value would lose; `None` for other texts.
fn indented(body: &[u8]) -> Option<String> {
    let (mut from, mut text) = (serde_json::Deserializer::from_slice(body), Vec::new());
    let mut to = serde_json::Serializer::pretty(&mut text);
    serde_transcode::transcode(&mut from, &mut to).ok()?;
    from.end().ok()?;
    String::from_utf8(text).ok()
}

fn grouped(placed: Vec<Placed>, site: &Site) -> ReferencePage {
    let mut groups: Vec<Group> = Vec::new();
    for Placed { group, mut operation, target } in placed {
        if let (Some(example), Some(target)) = (&mut operation.example, target) {
            example.address = format!("{}{target}", site.links.prefix());
        }
        match groups.iter_mut().find(|one| one.name == group) {
            Some(known) => known.operations.push(operation),
            None => groups.push(Group { name: group, operations: vec![operation] }),
        }
    }
    ReferencePage { groups }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_an_example_keep_their_order() {
        let text = "{\n  \"name\": \"a\",\n  \"backend\": [\n    1.5\n  ]\n}";
        assert_eq!(indented(br#"{"name":"a","backend":[1.5]}"#).unwrap(), text);
        for other in ["# README", "", "{} x"] {
            assert_eq!(indented(other.as_bytes()), None, "{other}");
        }
    }
}
