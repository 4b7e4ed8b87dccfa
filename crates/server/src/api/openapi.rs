//! Parts of the OpenAPI contract common to operations, such as the headers of middleware.

use std::collections::BTreeMap;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, Header, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoResponses, PartialSchema as _};

use registry_public::errors::{ErrorBody, ProblemDetails};

const TOKEN: &str = "client_token";
const PROBLEM: &str = "application/problem+json";
const ERROR_SCHEMA: &str = "ErrorBody";
const PROBLEM_SCHEMA: &str = "ProblemDetails";

const HEADERS: [(&str, &str); 9] = [
    ("X-Request-Id", "The id of the request, also in the log"),
    ("Cache-Control", "Cache policy of the response"),
    ("Retry-After", "Seconds to wait before a retry"),
    ("RateLimit", "Requests left in the client's quota (draft-ietf-httpapi-ratelimit-headers)"),
    ("RateLimit-Policy", "The client's quota"),
    ("WWW-Authenticate", "Authentication scheme: `Bearer`"),
    ("Age", "Seconds since the data was last confirmed by its backend"),
    ("Cache-Status", "Whether a cache of the service answered (RFC 9211)"),
    ("Extension-Registry-Degraded", "Backends whose data is stale or missing"),
];

const ALWAYS: [&str; 2] = ["X-Request-Id", "Cache-Control"];
const LIMITED: [&str; 2] = ["RateLimit", "RateLimit-Policy"];
const OF_CATALOG: [&str; 3] = ["Age", "Cache-Status", "Extension-Registry-Degraded"];

const FAILURES: [(&str, &str, &str, &[&str]); 5] = [
    ("414", "TargetTooLong", "The path and query are longer than 8 KiB", &[]),
    ("431", "HeadersTooLarge", "More than 64 headers, or headers of more than 16 KiB", &[]),
    ("401", "Unauthorized", "The client token is missing or wrong", &["WWW-Authenticate"]),
    (
        "429",
        "RateLimited",
        "The client exceeded its rate limit",
        &["Retry-After", "RateLimit", "RateLimit-Policy"],
    ),
    ("503", "Overloaded", "The server is at its request limit", &["Retry-After"]),
];

/// Responses of lists and searches besides 200.
pub struct ListResponses;

impl IntoResponses for ListResponses {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described([
            ("304", "Not modified"),
            ("400", "A parameter is invalid"),
            ("503", "No backend of the request was read yet"),
        ])
    }
}

/// Responses of requests for one extension besides 200.
pub struct ReadResponses;

impl IntoResponses for ReadResponses {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described([
            ("304", "Not modified"),
            ("400", "A parameter is invalid"),
            ("404", "No such extension or version"),
            ("502", "A backend refused the credentials or sent an invalid response"),
            ("503", "The owner of the name is not determined yet"),
            ("504", "A backend did not answer in time"),
        ])
    }
}

/// Responses of explanations besides 200.
pub struct ExplainResponses;

impl IntoResponses for ExplainResponses {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described([
            ("304", "Not modified"),
            ("400", "A parameter is invalid"),
            ("404", "No backend ever had such an extension"),
            ("502", "A backend has it without a version that can be read"),
        ])
    }
}

fn described<const N: usize>(responses: [(&str, &str); N]) -> BTreeMap<String, RefOr<Response>> {
    responses.map(|(status, text)| (status.to_owned(), Response::new(text).into())).into()
}

/// Adds the responses and headers of the middleware to every operation.
pub fn complete(contract: &mut OpenApi) {
    let components = contract.components.get_or_insert_default();
    for (name, description) in HEADERS {
        components.headers.insert(name.to_owned(), RefOr::T(header(description)));
    }
    for (_, name, description, headers) in FAILURES {
        let failure = failure(description, headers);
        components.responses.insert(name.to_owned(), RefOr::T(failure));
    }
    components.schemas.insert(ERROR_SCHEMA.to_owned(), ErrorBody::schema());
    components.schemas.insert(PROBLEM_SCHEMA.to_owned(), ProblemDetails::schema());
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(TOKEN, bearer);
    for item in contract.paths.paths.values_mut() {
        let operations = [item.get.as_mut(), item.post.as_mut()];
        operations.into_iter().flatten().for_each(surround);
    }
}

fn surround(operation: &mut Operation) {
    let open = has_tag(operation, "health");
    let of_catalog = has_tag(operation, "extensions");
    if !open && !has_tag(operation, "webhooks") {
        // Both alternatives are valid: the configuration decides if tokens are required.
        let token = SecurityRequirement::new(TOKEN, Vec::<String>::new());
        operation.security = Some(vec![SecurityRequirement::default(), token]);
    }
    let responses = &mut operation.responses.responses;
    for (status, name, ..) in FAILURES {
        if !open || matches!(status, "414" | "431") {
            // A handler that documents the status itself describes it better.
            let response = responses.entry(status.to_owned());
            response.or_insert_with(|| RefOr::Ref(Ref::from_response_name(name)));
        }
    }
    for (status, response) in responses {
        // References point at the failures above, which have their headers already.
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) {
            response.content = [("application/json", ERROR_SCHEMA), (PROBLEM, PROBLEM_SCHEMA)]
                .map(|(media, schema)| (media.to_owned(), RefOr::T(content(schema))))
                .into_iter()
                .collect();
        }
        let limited: &[&str] = if open { &[] } else { &LIMITED };
        let retry: &[&str] = if status == "503" && !open { &["Retry-After"] } else { &[] };
        let known = of_catalog && response.headers.contains_key("ETag");
        let known: &[&str] = if known { &OF_CATALOG } else { &[] };
        refer(response, &[&ALWAYS, limited, retry, known].concat());
    }
}

fn has_tag(operation: &Operation, tag: &str) -> bool {
    operation.tags.iter().flatten().any(|one| one == tag)
}

fn failure(description: &str, headers: &[&str]) -> Response {
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/json", content(ERROR_SCHEMA))
        .content(PROBLEM, content(PROBLEM_SCHEMA));
    let mut response = response.build();
    refer(&mut response, &[&ALWAYS, headers].concat());
    response
}

fn content(schema: &str) -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

fn header(description: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()
}

fn refer(response: &mut Response, headers: &[&str]) {
    for name in headers {
        let reference = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert((*name).to_owned(), RefOr::Ref(reference));
    }
}
