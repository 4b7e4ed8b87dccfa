//! deploy/kubernetes: the resources fit each other, and the service that they run.

use std::collections::BTreeSet;
use std::path::Path;

use extension_registry::config::{Sources, load};
use registry_server::api::routes::templates;
use serde_json::{Value, json};

use super::{path, read, yaml_document};

const KUSTOMIZATION: &str = "deploy/kubernetes/kustomization.yaml";
const MONITOR: &str = "deploy/kubernetes/servicemonitor.yaml";
const AUTH: &str = "deploy/kubernetes/auth/kustomization.yaml";
const INGRESS: &str = "deploy/kubernetes/ingress/kustomization.yaml";
const TLS: &str = "deploy/kubernetes/tls/kustomization.yaml";

pub fn resource(name: &str) -> Value {
    yaml_document(&format!("deploy/kubernetes/{name}"))
}

fn strings(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_kustomization_names_every_file_beside_it() {
    let kustomization = yaml_document(KUSTOMIZATION);
    let mut named = strings(&kustomization["resources"]);
    let generated = &kustomization["configMapGenerator"][0];
    named.extend(strings(&generated["files"]));
    named.insert("kustomization.yaml".to_owned());
    let beside = path("deploy/kubernetes").read_dir().unwrap().map(Result::unwrap);
    let beside = beside.filter(|entry| entry.file_type().unwrap().is_file());
    let beside = beside.map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(named, beside.collect());
    let volumes = &resource("deployment.yaml")["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes[0]["configMap"]["name"], generated["name"]);
}

#[test]
fn everything_selects_the_pods() {
    let deployment = resource("deployment.yaml");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let pods = &deployment["spec"]["template"]["spec"];
    for (place, selected) in [
        ("Deployment", &deployment["spec"]["selector"]["matchLabels"]),
        ("Service", &resource("service.yaml")["spec"]["selector"]),
        ("budget", &resource("poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"]),
        ("policy", &resource("networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"]),
        ("spread", &pods["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]),
        ("spread", &pods["topologySpreadConstraints"][1]["labelSelector"]["matchLabels"]),
    ] {
        assert_eq!(selected, labels, "{place}");
    }
    assert_eq!(pods["serviceAccountName"], resource("serviceaccount.yaml")["metadata"]["name"]);
}

#[test]
fn probes_ask_paths_that_there_are() {
    let pods = &resource("deployment.yaml")["spec"]["template"]["spec"];
    let container = &pods["containers"][0];
    let routes = templates();
    for (probe, path) in [
        ("startupProbe", "/api/v1/health/live"),
        ("livenessProbe", "/api/v1/health/live"),
        ("readinessProbe", "/api/v1/health/ready"),
    ] {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "http"}), "{probe}");
        assert!(routes.iter().any(|route| *route == path), "{path} is not in {routes:?}");
    }
    assert_eq!(container["ports"][0]["name"], "http");
}

#[test]
fn the_drain_has_its_time_before_the_pod_is_killed() {
    let pods = &resource("deployment.yaml")["spec"]["template"]["spec"];
    let killed = pods["terminationGracePeriodSeconds"].as_u64().unwrap();
    let pause = &pods["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
    let config: toml::Table = read("deploy/kubernetes/config.toml").parse().unwrap();
    let grace = config["server"]["shutdown_grace_seconds"].as_integer().unwrap();
    assert!(pause.as_u64().unwrap() + u64::try_from(grace).unwrap() < killed);
}

#[test]
fn the_pods_user_is_the_images_and_may_write_nothing_but_its_state() {
    let pods = &resource("deployment.yaml")["spec"]["template"]["spec"];
    let (user, group) =
        (&pods["securityContext"]["runAsUser"], &pods["securityContext"]["runAsGroup"]);
    let line = format!("USER {user}:{group}");
    assert!(read("Dockerfile").lines().any(|found| found == line), "{line}");
    let container = &pods["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let mounts = container["volumeMounts"].as_array().unwrap();
    let writable = mounts.iter().filter(|mount| mount["readOnly"] != true);
    let writable: Vec<&Value> = writable.map(|mount| &mount["mountPath"]).collect();
    let config: toml::Table = read("deploy/kubernetes/config.toml").parse().unwrap();
    let state = Path::new(config["cache"]["state_dir"].as_str().unwrap());
    // Below the mount, which has mode 777: the service makes its own directory there.
    assert_eq!(writable, [state.parent().unwrap().to_str().unwrap()]);
}

#[test]
fn state_and_archives_fit_into_their_volume() {
    let pods = &resource("deployment.yaml")["spec"]["template"]["spec"];
    let volumes = pods["volumes"].as_array().unwrap();
    let state = volumes.iter().find(|volume| volume["name"] == "state").unwrap();
    assert_eq!(state["emptyDir"]["sizeLimit"], "1Gi");
    for file in ["deploy/kubernetes/config.toml", "deploy/kubernetes/shared/config.toml"] {
        let file = path(file);
        let config = load(&Sources { file: Some(&file), ..Sources::default() }).unwrap();
        // The state on disk is smaller than the extensions in memory, of which it is a log and a copy.
        let state = 2 * config.backends.len() * config.catalog.max_bytes;
        assert!(config.cache.artifact_bytes + state as u64 <= 1 << 30, "{}", file.display());
    }
}

/// The operator's resource has no schema in what checks the others: its few fields are spelled here.
#[test]
fn the_monitor_scrapes_the_services_port() {
    let service = resource("service.yaml");
    let labels = &service["metadata"]["labels"];
    let port = &service["spec"]["ports"][0]["name"];
    let expected = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "extension-registry"},
        "spec": {
            "selector": {"matchLabels": labels},
            "endpoints": [{
                "port": port,
                "path": "/api/v1/metrics",
                "interval": "15s",
                "scrapeTimeout": "5s",
            }],
        },
    });
    assert_eq!(yaml_document(MONITOR), expected);
}

/// `auth` is for a service with `[auth]`: the operator's `SafeAuthorization` in the one endpoint.
#[test]
fn the_component_auth_hands_the_monitor_a_token() {
    let component = yaml_document(AUTH);
    assert_eq!(component["kind"], "Component");
    let patch = &component["patches"][0];
    let monitor = yaml_document(MONITOR);
    assert_eq!(patch["target"]["kind"], monitor["kind"]);
    assert_eq!(patch["target"]["name"], monitor["metadata"]["name"]);
    let operations: Value = yaml_serde::from_str(patch["patch"].as_str().unwrap()).unwrap();
    let expected = json!([{
        "op": "add",
        "path": "/spec/endpoints/0/authorization",
        "value": {
            "type": "Bearer",
            "credentials": {"name": "extension-registry-metrics", "key": "token"},
        },
    }]);
    assert_eq!(operations, expected);
    let endpoints = monitor["spec"]["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 1, "each endpoint needs the token");
    assert_eq!(endpoints[0].get("authorization"), None);
    // What the page tells to create is what is named here.
    let operations = read("docs/operations.md");
    assert!(operations.contains("secret generic extension-registry-metrics --from-file=token"));
    assert!(operations.contains("components: [../deploy/kubernetes/auth]"));
}

#[test]
fn the_component_ingress_leads_to_the_services_port() {
    let component = yaml_document(INGRESS);
    assert_eq!(component["kind"], "Component");
    assert_eq!(component["resources"], json!(["ingress.yaml"]));
    let ingress = resource("ingress/ingress.yaml");
    let spec = &ingress["spec"];
    let service = resource("service.yaml");
    let (name, port) = (&service["metadata"]["name"], &service["spec"]["ports"][0]["name"]);
    let path = &spec["rules"][0]["http"]["paths"][0];
    assert_eq!(path["backend"], json!({"service": {"name": name, "port": {"name": port}}}));
    assert_eq!(spec["tls"][0]["hosts"][0], spec["rules"][0]["host"]);
    assert!(read("docs/operations.md").contains("components: [../deploy/kubernetes/ingress]"));
}

/// The value that a pointer of RFC 6901 names; `-` is behind the last of a list.
fn at<'a>(document: &'a mut Value, pointer: &str) -> &'a mut Value {
    document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there"))
}

/// What a component makes of a resource.
pub fn patched(component: &str, name: &str) -> Value {
    let mut document = resource(name);
    let component = yaml_document(component);
    let patches = component["patches"].as_array().unwrap();
    let kind = document["kind"].clone();
    let patch = patches.iter().find(|patch| patch["target"]["kind"] == kind).unwrap();
    assert_eq!(patch["target"]["name"], document["metadata"]["name"]);
    let operations: Vec<Value> = yaml_serde::from_str(patch["patch"].as_str().unwrap()).unwrap();
    for operation in operations {
        let (pointer, value) = (operation["path"].as_str().unwrap(), operation["value"].clone());
        match operation["op"].as_str().unwrap() {
            "add" => {
                let list = at(&mut document, pointer.strip_suffix("/-").unwrap());
                list.as_array_mut().unwrap().push(value);
            }
            "replace" => *at(&mut document, pointer) = value,
            other => panic!("{other}"),
        }
    }
    document
}

#[test]
fn the_component_tls_moves_probes_and_monitoring_to_the_port_for_health() {
    let deployment = patched(TLS, "deployment.yaml");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let health = &container["ports"][1];
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], health["name"], "{probe}");
    }
    let service = patched(TLS, "service.yaml");
    let port = &service["spec"]["ports"][1];
    assert_eq!(port["targetPort"], health["containerPort"]);
    assert_eq!(patched(TLS, "servicemonitor.yaml")["spec"]["endpoints"][0]["port"], port["name"]);
    let policy = patched(TLS, "networkpolicy.yaml");
    assert_eq!(policy["spec"]["ingress"][0]["ports"][1]["port"], health["containerPort"]);
    // The configuration that the component asks for is one that the service takes.
    let head = read(TLS);
    let config = head.lines().filter_map(|line| line.strip_prefix("#   "));
    let config: toml::Table = config.collect::<Vec<_>>().join("\n").parse().unwrap();
    assert_eq!(config["server"]["health_port"].as_integer(), health["containerPort"].as_i64());
    let mount = container["volumeMounts"].as_array().unwrap().last().unwrap();
    let directory = Path::new(mount["mountPath"].as_str().unwrap());
    assert_eq!(mount.get("subPath"), None, "a renewed Secret would not reach it");
    for (key, name) in [("cert_path", "tls.crt"), ("key_path", "tls.key")] {
        let path = config["server"]["tls"][key].as_str().unwrap();
        assert_eq!(Path::new(path), directory.join(name));
    }
    assert!(read("docs/operations.md").contains("components: [../deploy/kubernetes/tls]"));
}
