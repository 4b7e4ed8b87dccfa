//! Sample pages about the service: status, reference of the API, errors.

use std::time::Duration;

use registry_web::backend_state::BackendStateView;
use registry_web::charts::day::HistorySlot;
use registry_web::error::Result;
use registry_web::extension_ref::ExtensionRef;
use registry_web::extension_type::TypeView;
use registry_web::pages::error_page::{ErrorPage, LocalAddress};
use registry_web::pages::home::BackendLine;
use registry_web::pages::reference::{
    Example, Group, OperationView, Parameter, ReferencePage, Response,
};
use registry_web::pages::status::{
    Affected, BackendView, BreakerView, FaultView, ServiceFact, StatusPage,
};
use registry_web::site::Site;

use super::{Sample, WORD_1000, hostile, kubernetes, sample, time};

pub fn samples(site: &Site) -> Result<Vec<Sample>> {
    let error = |status, message: &str| ErrorPage {
        status,
        message: message.to_owned(),
        ..ErrorPage::default()
    };
    let limited = ErrorPage {
        retry_after: Some(Duration::from_secs(7)),
        ..error(429, "More than 20 requests a second")
    };
    let internal =
        ErrorPage { request_id: Some("0f8c2d".to_owned()), ..error(500, "Internal error") };
    Ok(vec![
        sample("status", status().render(site))?,
        sample("status-healthy", healthy().render(site))?,
        sample("status-hostile", hostile_status().render(site))?,
        sample("reference", reference(site).render(site))?,
        sample(
            "error-400",
            error(400, "limit must be a whole number from 0 to 1000").render(site),
        )?,
        sample("error-401", error(401, "A client token is required").render(site))?,
        sample("error-404", missing().render(site))?,
        sample(
            "error-406",
            error(406, "A README is available as text/markdown or text/html").render(site),
        )?,
        sample("error-429", limited.render(site))?,
        sample("error-500", internal.render(site))?,
        sample("error-503", unavailable().render(site))?,
        sample("error-hostile", hostile_error().render(site))?,
    ])
}

fn backend(name: &str, kind: &'static str, state: BackendStateView) -> BackendView {
    let day = (0..48).map(|slot| match slot {
        0..=20 => HistorySlot::Answered,
        21 | 22 => HistorySlot::Slow,
        _ => HistorySlot::Answered,
    });
    BackendView {
        name: name.to_owned(),
        kind,
        location: format!("{name}.example.com/provisioning"),
        state,
        age: Some(Duration::from_secs(12)),
        breaker: Some(BreakerView::Closed),
        extensions: 4,
        last_error: None,
        day: day.collect(),
        day_since: None,
    }
}

pub fn status() -> StatusPage {
    let mut failing = backend(
        "oci",
        "oci",
        BackendStateView::Unreachable { since: time("2026-09-03T16:04:00Z") },
    );
    failing.age = Some(Duration::from_mins(14));
    failing.breaker = Some(BreakerView::Open { next_try: Duration::from_secs(8) });
    failing.last_error = Some("connection refused (registry.example.com:443)".to_owned());
    failing.day = [
        [HistorySlot::Idle; 12],
        [HistorySlot::Answered; 12],
        [HistorySlot::Answered; 12],
        [HistorySlot::Answered; 12],
    ]
    .concat();
    failing.day[47] = HistorySlot::Failed;
    failing.day[30] = HistorySlot::Failed;
    failing.day_since = Some(time("2026-09-02T22:18:00Z"));
    let affected = |name: &str, state, reason: &str| Affected {
        id: ExtensionRef::new(TypeView::Provider, name),
        state,
        reason: reason.to_owned(),
    };
    let fault = |repository: &str, reason: &str| FaultView {
        backend: "gitea".to_owned(),
        repository: repository.to_owned(),
        subject: "naming".to_owned(),
        reason: reason.to_owned(),
    };
    let fact = |name, value: &str| ServiceFact { name, value: value.to_owned() };
    StatusPage {
        now: time("2026-09-03T16:18:00Z"),
        backends: vec![backend("gitea", "gitea", BackendStateView::Answering), failing],
        affected: vec![
            affected("hetzner", "stale", "oci has not answered since 16:04 UTC"),
            affected("upcloud", "orphaned", "gitea owned it and lost it; oci has it too"),
        ],
        affected_total: 2,
        not_taken: vec![
            fault("aws_provider", "the name ends in _provider; a provider must end in _prov"),
            fault("redis_taskserv", "it has no release"),
        ],
        not_taken_total: 12,
        service: vec![
            fact("Uptime", "3 days"),
            fact("Cache", "412 of 1,000 entries, 91% hits"),
            fact("Archives", "1.2 GB of 10 GB"),
            fact("Connections", "14 of 10,000"),
        ],
        is_restricted: false,
        refreshes: false,
    }
}

fn healthy() -> StatusPage {
    let backends = vec![
        backend("gitea", "gitea", BackendStateView::Answering),
        backend("oci", "oci", BackendStateView::Answering),
    ];
    StatusPage {
        backends,
        affected: Vec::new(),
        affected_total: 0,
        not_taken: Vec::new(),
        not_taken_total: 0,
        refreshes: true,
        is_restricted: true,
        ..status()
    }
}

pub fn hostile_status() -> StatusPage {
    let mut page = status();
    page.backends[0].name = hostile();
    page.backends[0].location = WORD_1000();
    page.backends[1].last_error = Some(format!("{} {}", hostile(), WORD_1000()));
    page.affected[0].id.name = WORD_1000();
    page.affected[1].reason = hostile();
    page.not_taken[0].repository = hostile();
    page.not_taken[1].reason = WORD_1000();
    page
}

fn reference(site: &Site) -> ReferencePage {
    let parameter = |name: &str, place: &str, description: &str| Parameter {
        name: name.to_owned(),
        place: place.to_owned(),
        is_required: place == "path",
        description: description.to_owned(),
    };
    let response = |status: &str, description: &str| Response {
        status: status.to_owned(),
        description: description.to_owned(),
    };
    let operation = |path: &str, address| OperationView {
        method: "GET".to_owned(),
        path: path.to_owned(),
        summary: "Get the versions of an extension, newest first.".to_owned(),
        description: Some("A pre-release is marked by its publisher or by its version.".to_owned()),
        parameters: vec![
            parameter("type", "path", "provider, taskserv or cluster"),
            parameter("source", "query", "Kind of the backend that answers instead of the owner"),
        ],
        responses: vec![response("200", "The versions"), response("404", "No such extension")],
        example: Some(Example { address, body: "[\n  {\"version\": \"1.31.0\"}\n]".to_owned() }),
    };
    let api = site.links.api();
    let operations = vec![
        operation("/api/v1/extensions/{type}/{name}/versions", api.versions(&kubernetes())),
        operation("/api/v1/extensions/{type}/{name}", api.extension(&kubernetes())),
    ];
    ReferencePage { groups: vec![Group { name: "Extensions".to_owned(), operations }] }
}

fn missing() -> ErrorPage {
    ErrorPage {
        status: 404,
        message: "Extension provider/kubernets not found".to_owned(),
        near: vec![kubernetes()],
        other_types: vec![ExtensionRef::new(TypeView::Cluster, "kubernets")],
        at_backends: vec![ExtensionRef::new(TypeView::Provider, "kubernets").at_backend("oci")],
        not_taken: status().not_taken,
        ..ErrorPage::default()
    }
}

fn unavailable() -> ErrorPage {
    let line = |name: &str, state| BackendLine { name: name.to_owned(), state };
    ErrorPage {
        status: 503,
        message: "No current data from oci (connection refused)".to_owned(),
        backends: vec![
            line("gitea", BackendStateView::Answering),
            line("oci", BackendStateView::Refused { since: time("2026-09-03T16:04:00Z") }),
        ],
        retry_after: Some(Duration::from_secs(10)),
        retry: LocalAddress::parse("/provider/aws?backend=oci"),
        ..ErrorPage::default()
    }
}

fn hostile_error() -> ErrorPage {
    ErrorPage {
        message: format!("{} {}", hostile(), WORD_1000()),
        near: vec![ExtensionRef::new(TypeView::Provider, hostile())],
        request_id: Some(hostile()),
        ..missing()
    }
}
