//! The way of `object_store` to the server: every request goes through the HTTP client of the service,
//! which bounds time, memory and addresses.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use registry_backends::http::answer::Streamed;
use registry_backends::http::request::{Redirects, Request};
use registry_backends::http::request_body::RequestBody;
use registry_backends::http::upstream::UpstreamClient;
use registry_core::error::{Error, Result};
use url::Url;

use crate::failure;
use crate::response_body::{ResponseBody, http_error};

/// Labels of all operations in metrics.
pub const OPERATIONS: [&str; 5] = ["get", "head", "list", "put", "delete"];
/// Maximum size of a response that is no object, in bytes: the longest is a list of 1,000 keys.
const ANSWER_MAX: usize = 1024 * 1024;
/// Maximum size of the part of an error response that is looked at, in bytes.
const ERROR_MAX: usize = 8 * 1024;
/// Size of the pieces of a request body, in bytes. Each has the timeout for itself.
const PIECE: usize = 64 * 1024;

/// Two clients of the server. Reads have callers that wait, so that a server that takes no objects
/// must not stop them.
#[derive(Clone)]
pub(crate) struct S3Connector {
    pub(crate) reads: UpstreamClient,
    pub(crate) writes: UpstreamClient,
}

impl fmt::Debug for S3Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for S3Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for S3Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.send(request).await.map_err(http_error)
    }
}

impl S3Connector {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|error| unusable().because(error))?.to_bytes();
        let url: Url = head.uri.to_string().parse().map_err(|error| unusable().because(error))?;
        let streams = head.method == Method::GET && url.query().is_none();
        let operation = operation_of(&head.method, streams);
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        let client = if reads { &self.reads } else { &self.writes };
        let mut request = Request::new(operation, head.method, url)
            .follow(Redirects::Never)
            .with_body(in_pieces(body));
        for (name, mut value) in head.headers {
            let Some(name) = name else { continue };
            // Hides the signature in the debug output of a `HeaderMap`.
            value.set_sensitive(name == AUTHORIZATION);
            request = request.header(name, value);
        }
        if streams {
            return object(client.stream(request).await?).await;
        }
        let answer = client.fetch(request, ANSWER_MAX).await?;
        response(answer.status, answer.headers, answer.body)
    }
}

/// Returns an object as it arrives, or the error of the response.
async fn object(answer: Streamed) -> Result<HttpResponse> {
    let Streamed { status, headers, mut bytes, .. } = answer;
    if status.is_success() {
        let body = HttpResponseBody::new(ResponseBody::new(bytes));
        return Ok(assembled(status, headers, body));
    }
    let mut told = Vec::new();
    while told.len() < ERROR_MAX
        && let Some(Ok(piece)) = bytes.next().await
    {
        told.extend_from_slice(&piece);
    }
    response(status, headers, told.into())
}

fn response(status: StatusCode, headers: HeaderMap, body: Bytes) -> Result<HttpResponse> {
    match failure::of_status(status, &body) {
        Some(error) => Err(error),
        // The body of an error has no meaning beyond its code.
        None if !status.is_success() => Ok(assembled(status, headers, Bytes::new().into())),
        None => Ok(assembled(status, headers, body.into())),
    }
}

fn assembled(status: StatusCode, headers: HeaderMap, body: HttpResponseBody) -> HttpResponse {
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn operation_of(method: &Method, is_object: bool) -> &'static str {
    let [get, head, list, put, delete] = OPERATIONS;
    match *method {
        Method::GET if is_object => get,
        Method::GET => list,
        Method::HEAD => head,
        Method::DELETE => delete,
        // A `POST` begins or completes an upload in parts.
        _ => put,
    }
}

fn in_pieces(body: Bytes) -> RequestBody {
    if body.len() <= PIECE {
        return RequestBody::bytes(body);
    }
    let length = Some(body.len() as u64);
    let pieces = move || {
        let body = body.clone();
        let starts = (0..body.len()).step_by(PIECE);
        let pieces = starts.map(move |at| Ok(body.slice(at..body.len().min(at + PIECE))));
        stream::iter(pieces).boxed()
    };
    RequestBody::again(pieces, length)
}

fn unusable() -> Error {
    Error::faulty("A request to the bucket cannot be sent")
}
