//! Every file of deploy/ is checked by something that names it.

use std::path::Path;

use super::{path, read};

/// Files that no outside tool checks, and the test that does.
const CHECKED_HERE: [(&str, &str); 9] = [
    ("deploy/grafana/provisioning/dashboards/extension-registry.yml", "compose.rs"),
    ("deploy/grafana/provisioning/datasources/prometheus.yml", "monitoring.rs"),
    ("deploy/kubernetes/auth/kustomization.yaml", "kubernetes.rs"),
    ("deploy/kubernetes/ingress/kustomization.yaml", "kubernetes.rs"),
    ("deploy/kubernetes/kustomization.yaml", "kubernetes.rs"),
    ("deploy/kubernetes/shared/kustomization.yaml", "shared.rs"),
    ("deploy/kubernetes/servicemonitor.yaml", "kubernetes.rs"),
    ("deploy/kubernetes/tls/kustomization.yaml", "kubernetes.rs"),
    ("deploy/nginx/extension-registry.conf", "nginx.rs"),
];
/// They keep directories in the repository; there is nothing in them that could be wrong.
const NOT_CHECKED: [&str; 3] = [
    "deploy/compose/extensions/.gitignore",
    "deploy/compose/secrets/.gitignore",
    "deploy/compose/tokens/.gitignore",
];

fn files(directory: &Path, found: &mut Vec<String>) {
    for entry in directory.read_dir().unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            files(&entry, found);
        } else {
            found.push(entry.strip_prefix(path("")).unwrap().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn every_file_is_named_by_a_check() {
    let script = read("scripts/check-deploy");
    let mut found = Vec::new();
    files(&path("deploy"), &mut found);
    assert!(found.len() > 10, "{found:?}");
    for file in found.iter().filter(|file| !NOT_CHECKED.contains(&file.as_str())) {
        let named = match CHECKED_HERE.iter().find(|(checked, _)| checked == file) {
            Some((_, test)) => read(&format!("tests/deploy/{test}")).contains(file.as_str()),
            None => script.contains(file.as_str()),
        };
        assert!(named, "{file} is checked by nothing");
    }
}

#[test]
fn every_part_of_the_check_is_run_by_scripts_test() {
    let usage = read("scripts/check-deploy");
    let usage = usage.lines().find(|line| line.starts_with("#   scripts/check-deploy ")).unwrap();
    let parts = usage.trim_start_matches("#   scripts/check-deploy ");
    let test = read("scripts/test");
    for part in parts.split(" | ") {
        assert!(test.contains(&format!(" check_deployment {part}\n")), "{part} is not run");
    }
}
