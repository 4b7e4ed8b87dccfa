//! The deployments that the specification gives: what we ship does all that they do.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::{assert_holds, read, yaml, yaml_document};
use crate::support::program::Running;

const UNIT: &str = "deploy/systemd/extension-registry.service";
const SPECIFIED_UNIT: &str = "tests/fixtures/specification/extension-registry.service";

/// The document of this kind, among all that the specification or we give the cluster.
fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap()
}

/// The value of a directive; the last line counts.
fn directive(unit: &str, name: &str) -> Option<String> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines.rev().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

#[test]
fn the_compose_service_is_the_specifications() {
    let ours = yaml_document("deploy/compose/compose.yml");
    let theirs = yaml_document("tests/fixtures/specification/compose.yml");
    let service = &theirs["services"]["extension-registry"];
    assert_eq!(service["ports"], json!(["8082:8082"]));
    assert_holds(&ours["services"]["extension-registry"], service, "extension-registry");
}

#[test]
fn the_unit_starts_the_program_as_the_specifications_does() {
    let (ours, theirs) = (read(UNIT), read(SPECIFIED_UNIT));
    for name in ["User", "ExecStart", "Restart", "RestartSec", "WantedBy"] {
        let specified = directive(&theirs, name);
        assert!(specified.is_some(), "{name}");
        assert_eq!(directive(&ours, name), specified, "{name}");
    }
}

#[test]
fn the_cluster_runs_what_the_specifications_does() {
    let theirs = yaml("tests/fixtures/specification/kubernetes.yml");
    let mut deployment = of_kind(&theirs, "Deployment").clone();
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    // Ours are finer: a process that answers lives, and one that can answer from its catalog is
    // ready. The specification's path stays what its own manifests probe.
    for probe in ["livenessProbe", "readinessProbe"] {
        let probe = container[probe].as_object_mut().unwrap();
        assert_eq!(probe.remove("httpGet"), Some(json!({"path": "/api/v1/health", "port": 8082})));
        // A startup probe stands for the pause.
        probe.remove("initialDelaySeconds").unwrap();
    }
    assert_eq!(deployment["spec"]["replicas"], 3);
    let ours = yaml_document("deploy/kubernetes/deployment.yaml");
    assert_holds(&ours, &deployment, "Deployment");
    let service = yaml_document("deploy/kubernetes/service.yaml");
    assert_holds(&service, of_kind(&theirs, "Service"), "Service");
}

#[test]
fn the_image_has_the_paths_and_the_port_of_the_specification() {
    let dockerfile = read("Dockerfile");
    for line in ["WORKDIR /app", "EXPOSE 8082"] {
        assert!(dockerfile.lines().any(|found| found == line), "{line}");
    }
    let installed = dockerfile.lines().find(|line| line.contains("apt-get install")).unwrap();
    assert!(installed.contains(" curl"), "the specification's health check is curl's: {installed}");
}

#[test]
fn the_page_for_operators_has_the_specifications_texts_whole() {
    let page = read("docs/operations.md");
    for name in ["compose.yml", "kubernetes.yml"] {
        let text = read(&format!("tests/fixtures/specification/{name}"));
        assert!(page.contains(&format!("```yaml\n{text}```\n")), "{name}");
    }
}

/// What the page says of them: with a backend that is away the process lives and is not ready, and a
/// token as the cluster mounts it is used, with a warning.
#[tokio::test]
async fn the_specifications_probes_see_a_process_that_lives_and_do_not_see_that_it_knows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "canary-of-the-cluster").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gitea = format!("url = \"http://{away}\"\norganization = \"o\"\ntoken_path = \"token\"");
    std::fs::write(dir.path().join("config.toml"), format!("[gitea]\n{gitea}\n")).unwrap();
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    assert_eq!(running.get("/health").await.status, 200);
    assert_eq!(running.get("/health/live").await.status, 200);
    assert_eq!(running.get("/health/ready").await.status, 503);
    let warned = |line: &&String| line.contains("WARN") && line.contains("644");
    assert_eq!(running.before.iter().filter(warned).count(), 1, "{:#?}", running.before);
}
