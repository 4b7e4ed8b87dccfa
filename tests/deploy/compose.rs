//! deploy/compose: what is mounted is there, and the parts of the demo fit each other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{path, read, yaml_document};

const COMPOSE: &str = "deploy/compose/compose.yml";
const DASHBOARDS: &str = "deploy/grafana/provisioning/dashboards/extension-registry.yml";
const PROMETHEUS: &str = "deploy/prometheus/prometheus.yml";

#[test]
fn compose_mounts_what_there_is_where_it_is_looked_for() {
    let compose = yaml_document(COMPOSE);
    let mut mounts = Vec::new();
    for service in compose["services"].as_object().unwrap().values() {
        for mount in service["volumes"].as_array().unwrap() {
            // A mount without a source is a volume of one container.
            let Some((from, to)) = mount.as_str().unwrap().split_once(':') else { continue };
            let to = to.split(':').next().unwrap();
            let named = compose["volumes"].get(from).is_some();
            let exists = path("deploy/compose").join(from).exists();
            assert!(named != exists, "{from}");
            mounts.push(to.to_owned());
        }
    }
    let token = &yaml_document(PROMETHEUS)["scrape_configs"][0]["authorization"];
    let secret = compose["services"]["prometheus"]["secrets"][0].as_str().unwrap();
    assert_eq!(token["credentials_file"], format!("/run/secrets/{secret}"));
    let file = compose["secrets"][secret]["file"].as_str().unwrap();
    // Where nothing is named it is empty, and there all the same.
    assert_eq!(file, "${METRICS_TOKEN_FILE:-/dev/null}");
    let folder = &yaml_document(DASHBOARDS)["providers"][0]["options"]["path"];
    let home =
        &compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    for expected in [
        home.as_str().unwrap(),
        "/etc/grafana/provisioning",
        "/etc/prometheus/prometheus.yml",
        "/etc/prometheus/rules.yml",
    ] {
        assert!(mounts.iter().any(|mount| mount == expected), "{expected}");
    }
    assert!(home.as_str().unwrap().starts_with(folder.as_str().unwrap()));
}

#[test]
fn each_profile_is_started_when_it_is_asked_for_and_beside_the_operators_own() {
    let compose = yaml_document(COMPOSE);
    let services = compose["services"].as_object().unwrap();
    let mut ports = Vec::new();
    for (name, service) in services {
        let profiles = profiles_of(service);
        for profile in ["demo", "shared"] {
            assert!(!name.starts_with(profile) || profiles.contains(profile), "{name}");
        }
        let published = service["ports"].as_array().into_iter().flatten();
        ports.extend(published.map(|port| port.as_str().unwrap().rsplit(':').nth(1).unwrap()));
        // What a service waits for is started with it, by whatever profile.
        for (awaited, other) in services {
            let others = profiles_of(other);
            let waits = service["depends_on"].to_string().contains(&format!("\"{awaited}\""));
            let is_started =
                others.is_empty() || !profiles.is_empty() && profiles.is_subset(&others);
            assert!(!waits || is_started, "{name} waits for {awaited}");
        }
    }
    let count = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), count, "{ports:?}");
}

fn profiles_of(service: &Value) -> BTreeSet<&str> {
    service["profiles"].as_array().into_iter().flatten().map(|one| one.as_str().unwrap()).collect()
}

#[test]
fn the_demo_reads_the_registry_that_is_filled_for_it() {
    let services = &yaml_document(COMPOSE)["services"];
    let config: toml::Table = read("deploy/compose/demo/config.toml").parse().unwrap();
    let (registry, namespace) = (&config["oci"]["registry"], &config["oci"]["namespace"]);
    let command = &services["demo-seed"]["command"];
    assert_eq!(*command, json!(["/samples", registry, namespace]));
    let host = registry.as_str().unwrap().strip_prefix("http://").unwrap();
    let (host, port) = host.split_once(':').unwrap();
    // The port that the registry's image listens on.
    assert_eq!(port, "5000");
    assert!(services[host]["image"].as_str().unwrap().starts_with("registry:"));
    let ended = &services["demo"]["depends_on"]["demo-seed"]["condition"];
    assert_eq!(*ended, "service_completed_successfully");
    assert_eq!(services["demo-seed"]["depends_on"], json!([host]));
    let mounts: Vec<&Value> = services["demo-seed"]["volumes"].as_array().unwrap().iter().collect();
    assert_eq!(mounts, [&json!("./demo:/demo:ro"), &json!("../../samples:/samples:ro")]);
    assert_eq!(services["demo-seed"]["entrypoint"], json!(["/bin/sh", "/demo/seed.sh"]));
}
