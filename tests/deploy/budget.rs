//! The limits that we ship, multiplied: what all clients may hold together fits into what the process
//! may take.

use extension_registry::app::most_memory;
use extension_registry::config::{Config, Sources, load};

use super::kubernetes::{patched, resource};
use super::shared::COMPONENT as SHARED;
use super::{path, read};

const MIB: usize = 1024 * 1024;

fn sum(config: &Config) -> usize {
    let parts = most_memory(config);
    for (part, bytes) in &parts {
        println!("{:>6} MiB {part}", bytes / MIB);
    }
    parts.iter().map(|(_, bytes)| bytes).sum()
}

/// `384Mi`, `5G` and the like, in MiB.
fn mebibytes(text: &str) -> usize {
    let number = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: usize = number.parse().unwrap();
    if text.contains('G') { number * 1024 } else { number }
}

#[test]
fn s01_the_shipped_limits_of_kubernetes_fit_into_the_pod() {
    for (directory, deployment) in [
        ("deploy/kubernetes", resource("deployment.yaml")),
        ("deploy/kubernetes/shared", patched(SHARED, "deployment.yaml")),
    ] {
        let pods = &deployment["spec"]["template"]["spec"];
        let limit = pods["containers"][0]["resources"]["limits"]["memory"].as_str().unwrap();
        let file = path(directory).join("config.toml");
        let mut config = load(&Sources { file: Some(&file), ..Sources::default() }).unwrap();
        config.server.workers = std::num::NonZeroUsize::new(8);
        let (most, limit) = (sum(&config) / MIB, mebibytes(limit));
        assert!(most <= limit, "{most} MiB may be held, {limit} may be taken");
        assert!(most > limit / 2, "{most} MiB of {limit}: the sum leaves something out");
    }
}

#[test]
fn s01_the_default_limits_fit_into_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let gitea = "[gitea]\nurl = \"https://gitea.example.com\"\norganization = \"ext\"\n";
    let oci = "[oci]\nregistry = \"r.example.com\"\nnamespace = \"ext\"\n";
    std::fs::write(&file, format!("{gitea}{oci}[local]\npath = \"x\"\n")).unwrap();
    let mut config = load(&Sources { file: Some(&file), ..Sources::default() }).unwrap();
    config.server.workers = std::num::NonZeroUsize::new(8);
    let unit = read("deploy/systemd/extension-registry.service");
    let limit = unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")).unwrap();
    let (most, limit) = (sum(&config) / MIB, mebibytes(limit));
    assert!(most <= limit, "{most} MiB may be held, {limit} may be taken");
}

#[test]
fn s15_the_units_files_are_enough_for_its_connections() {
    let unit = read("deploy/systemd/extension-registry.service");
    let files = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE=")).unwrap();
    let file = path("deploy/kubernetes/config.toml");
    let config = load(&Sources { file: Some(&file), ..Sources::default() }).unwrap();
    let needed = config.server.max_connections + config.server.max_requests;
    assert!(files.parse::<usize>().unwrap() > 10_000 + 5_000 + 1_000);
    assert!(needed < 10_000 + 5_000);
}
