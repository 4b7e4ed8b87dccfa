//! Parts of the OpenAPI contract common to all operations: responses and headers added by
//! middleware.

use utoipa::PartialSchema as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, Header, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
};

use crate::api::problem::ProblemDetails;

const TOKEN: &str = "client_token";
const PROBLEM: &str = "application/problem+json";
const PROBLEM_SCHEMA: &str = "ProblemDetails";

/// Response headers added by middleware, with their descriptions.
const HEADERS: [(&str, &str); 9] = [
    ("X-Request-Id", "The id of the request, also in the log"),
    ("Cache-Control", "Whether and how long the answer may be kept"),
    ("Retry-After", "Seconds until asking again may help"),
    ("RateLimit", "What is left of the client's share (draft-ietf-httpapi-ratelimit-headers)"),
    ("RateLimit-Policy", "How large that share is"),
    ("WWW-Authenticate", "What is asked for: `Bearer`"),
    ("Age", "Seconds since the answer was true for certain"),
    ("Cache-Status", "Whether our caches answered (RFC 9211)"),
    ("Extension-Registry-Degraded", "Backends whose part of the answer is stale or missing"),
];

/// Groups of headers: on every response, on rate-limited ones, and on those from the catalog.
const ALWAYS: [&str; 2] = ["X-Request-Id", "Cache-Control"];
const LIMITED: [&str; 2] = ["RateLimit", "RateLimit-Policy"];
const OF_CATALOG: [&str; 3] = ["Age", "Cache-Status", "Extension-Registry-Degraded"];

/// Failures common to all operations, with the names of their components.
const FAILURES: [(&str, &str, &str, &[&str]); 5] = [
    ("414", "TargetTooLong", "The path and query are longer than 8 KiB", &[]),
    ("431", "HeadersTooLarge", "More than 64 headers or 16 KiB of them", &[]),
    (
        "401",
        "Unauthorized",
        "A client token is asked for and is missing or wrong",
        &["WWW-Authenticate"],
    ),
    (
        "429",
        "RateLimited",
        "The client is over its share",
        &["Retry-After", "RateLimit", "RateLimit-Policy"],
    ),
    ("503", "Overloaded", "The service answers as many requests as it may", &["Retry-After"]),
];

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
    components.schemas.insert(PROBLEM_SCHEMA.to_owned(), ProblemDetails::schema());
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(TOKEN, bearer);
    for (path, item) in &mut contract.paths.paths {
        let operations = [item.get.as_mut(), item.post.as_mut()];
        operations.into_iter().flatten().for_each(|operation| surround(path, operation));
    }
}

fn surround(path: &str, operation: &mut Operation) {
    let open = path.contains("/health");
    let signed = path.contains("/webhooks/");
    if !open && !signed {
        // Both alternatives are valid: the configuration decides if tokens are required.
        let token = SecurityRequirement::new(TOKEN, Vec::<String>::new());
        operation.security = Some(vec![SecurityRequirement::default(), token]);
    }
    let responses = &mut operation.responses.responses;
    for (status, name, ..) in FAILURES {
        if !open || matches!(status, "414" | "431") {
            let response = || RefOr::Ref(Ref::from_response_name(name));
            // A handler that documents the status itself describes it better.
            responses.entry(status.to_owned()).or_insert_with(response);
        }
    }
    for (status, response) in responses {
        // References point at the failures above, which have their headers already.
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) {
            response.content = [("application/json", "ErrorBody"), (PROBLEM, PROBLEM_SCHEMA)]
                .map(|(media, schema)| (media.to_owned(), RefOr::T(content(schema))))
                .into_iter()
                .collect();
        }
        let limited: &[&str] = if open { &[] } else { &LIMITED };
        let retry: &[&str] = if status == "503" && !open { &["Retry-After"] } else { &[] };
        let known = response.headers.contains_key("ETag") && path.contains("/extensions");
        let known: &[&str] = if known { &OF_CATALOG } else { &[] };
        refer(response, &[&ALWAYS, limited, retry, known].concat());
    }
}

fn failure(description: &str, headers: &[&str]) -> Response {
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/json", content("ErrorBody"))
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
