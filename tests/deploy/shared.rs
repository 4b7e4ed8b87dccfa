//! What replicas share, in Compose and in Kubernetes: addresses, secrets, ports and rights fit each other.

use std::collections::BTreeSet;
use std::path::Path;

use registry_valkey::commands::acl;
use serde_json::{Value, json};
use toml::Table;
use url::Url;

use super::kubernetes::patched;
use super::{read, yaml_document};

const COMPOSE: &str = "deploy/compose/compose.yml";
const COMPOSE_CONFIG: &str = "deploy/compose/shared/config.toml";
pub const COMPONENT: &str = "deploy/kubernetes/shared/kustomization.yaml";
const PODS_CONFIG: &str = "deploy/kubernetes/shared/config.toml";

/// Keys of both sections that name a file of secrets.
const SECRETS: [(&str, &str); 3] =
    [("shared", "password_path"), ("shared", "secret_path"), ("artifacts", "credentials_path")];

fn config(file: &str) -> Table {
    read(file).parse().unwrap()
}

/// The addresses of Redis and of the S3 server.
fn addresses(config: &Table) -> [Url; 2] {
    [&config["shared"]["redis_url"], &config["artifacts"]["endpoint"]]
        .map(|url| url.as_str().unwrap().parse().unwrap())
}

/// Names of files of secrets in a directory.
fn secrets(config: &Table, directory: &str) -> BTreeSet<String> {
    let files = SECRETS.map(|(section, key)| config[section][key].as_str().unwrap().to_owned());
    let names = files.iter().map(|file| {
        let file = Path::new(file);
        assert_eq!(file.parent(), Some(Path::new(directory)));
        file.file_name().unwrap().to_str().unwrap().to_owned()
    });
    names.collect()
}

#[test]
fn the_replicas_of_compose_find_their_servers_and_secrets() {
    let (compose, config) = (yaml_document(COMPOSE), config(COMPOSE_CONFIG));
    let services = &compose["services"];
    assert_eq!(services["shared"]["deploy"]["replicas"], 3);
    assert_eq!(services["shared"]["ports"], json!(["127.0.0.1:8084-8086:8082"]));
    for url in addresses(&config) {
        let server = &services[url.host_str().unwrap()];
        let told = server["command"].as_array().unwrap().last().unwrap().as_str().unwrap();
        assert_eq!(told.trim_start_matches(':'), url.port().unwrap().to_string(), "{url}");
        assert!(services["shared"]["depends_on"].get(url.host_str().unwrap()).is_some(), "{url}");
    }
    let registry = &config["oci"]["registry"];
    assert_eq!(
        *registry,
        read("deploy/compose/demo/config.toml").parse::<Table>().unwrap()["oci"]["registry"]
    );
    let named = secrets(&config, "/run/secrets");
    let list = |service: &str| -> BTreeSet<String> {
        serde_json::from_value(services[service]["secrets"].clone()).unwrap()
    };
    assert_eq!(list("shared"), named);
    assert_eq!(
        &list("shared-valkey") | &list("shared-s3"),
        &named - &["shared-secret".into()].into()
    );
    let page = read("docs/operations.md");
    for name in &named {
        let file = compose["secrets"][name]["file"].as_str().unwrap();
        assert_eq!(file, format!("./secrets/{name}.txt"));
        assert!(page.contains(&format!("> {name}.txt\n")), "{name} is not made on the page");
    }
}

#[test]
fn the_servers_of_compose_know_the_user_and_the_bucket_of_the_replicas() {
    let config = config(COMPOSE_CONFIG);
    let username = config["shared"]["username"].as_str().unwrap();
    let command = acl(username, &"default".parse().unwrap());
    let user = command.replace("ACL SETUSER", "user").replace(">PASSWORD", "#$password");
    let script = read("deploy/compose/shared/valkey.sh");
    assert!(script.lines().any(|line| line == user), "valkey.sh lacks the line:\n{user}");
    let store = config["artifacts"]["store"].as_str().unwrap();
    let bucket = store.strip_prefix("s3://").unwrap().split('/').next().unwrap();
    let script = read("deploy/compose/shared/s3.sh");
    assert!(script.contains(&format!("mkdir -p \"$data/{bucket}\"\n")), "{bucket} is not made");
}

#[test]
fn the_component_shared_mounts_the_secrets_and_opens_the_ports_of_the_configuration() {
    let config = config(PODS_CONFIG);
    let deployment = patched(COMPONENT, "deployment.yaml");
    let pods = &deployment["spec"]["template"]["spec"];
    let mount = pods["containers"][0]["volumeMounts"].as_array().unwrap().last().unwrap();
    assert_eq!(mount.get("subPath"), None, "a renewed Secret would not reach it");
    let volume = pods["volumes"].as_array().unwrap().last().unwrap();
    assert_eq!((&volume["name"], &mount["readOnly"]), (&mount["name"], &true.into()));
    let page = read("docs/operations.md");
    let secret = volume["secret"]["secretName"].as_str().unwrap();
    assert!(page.contains(&format!("create secret generic {secret} ")), "{secret}");
    for name in secrets(&config, mount["mountPath"].as_str().unwrap()) {
        assert!(page.contains(&format!("--from-file={name}")), "{name}");
    }
    let policy = patched(COMPONENT, "networkpolicy.yaml");
    let open = policy["spec"]["egress"].as_array().unwrap().iter();
    let open: Vec<&Value> = open.flat_map(|rule| rule["ports"].as_array().unwrap()).collect();
    for url in addresses(&config) {
        let port = json!({"protocol": "TCP", "port": url.port_or_known_default()});
        assert!(open.contains(&&port), "{url} is closed");
    }
    assert!(page.contains("components: [../deploy/kubernetes/shared]"));
}

#[test]
fn the_component_shared_has_the_configuration_of_the_base_and_two_sections_more() {
    let mut ours = config(PODS_CONFIG);
    for section in ["shared", "artifacts"] {
        assert!(ours.remove(section).is_some(), "{section}");
    }
    assert_eq!(ours, config("deploy/kubernetes/config.toml"));
}
