//! Configuration: what is accepted, what is refused, and in which words.

mod bucket;
mod named;

use std::path::Path;
use std::time::Duration;

use extension_registry::config::{BackendSettings, Config, Flags, Sources, example, load};
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::oci::address::RegistryAddress;

/// Loads a file of this text, with these environment variables.
fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    load_file(&path, environment)
        .map_err(|problems| problems.replace(&format!("{}", path.display()), "config.toml"))
}

fn load_file(path: &Path, environment: &[(&str, &str)]) -> Result<Config, String> {
    let pairs = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources { file: Some(path), environment: pairs.collect(), ..Sources::default() };
    load(&sources).map_err(|problems| problems.to_string())
}

const LOCAL: &str = "[local]\npath = \"extensions\"\n";
const OCI: &str = "[oci]\nregistry = \"registry.example\"\nnamespace = \"n\"\n";

fn ids(config: &Config) -> Vec<&str> {
    config.backends.iter().map(|backend| backend.id.as_str()).collect()
}

/// The settings of the first backend, a Gitea.
fn gitea(config: &Config) -> &GiteaSettings {
    match &config.backends[0].settings {
        BackendSettings::Gitea(gitea) => gitea,
        other => panic!("{other:?}"),
    }
}

/// The path of the first backend, a directory.
fn local(config: &Config) -> &Path {
    match &config.backends[0].settings {
        BackendSettings::Local(local) => &local.path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_specifications_own_file_is_valid() {
    let text = r#"
[server]
host = "0.0.0.0"
port = 8082
workers = 4
enable_cors = true
enable_compression = true

[gitea]
url = "https://gitea.example.com"
organization = "provisioning-extensions"
token_path = "/path/to/gitea-token.txt"
timeout_seconds = 30
verify_ssl = true

[oci]
registry = "registry.example.com"
namespace = "provisioning"
auth_token_path = "/path/to/oci-token.txt"
timeout_seconds = 30
verify_ssl = true

[cache]
capacity = 1000
ttl_seconds = 300
enable_metadata_cache = true
enable_list_cache = true
"#;
    let config = load_text(text, &[]).unwrap();
    assert_eq!(config.server.workers.unwrap().get(), 4);
    let BackendSettings::Oci(oci) = &config.backends[1].settings else { panic!("{config:?}") };
    assert_eq!(oci.namespace.as_str(), "provisioning");
    assert_eq!(ids(&config), ["gitea", "oci"]);
    assert_eq!(gitea(&config).organization.as_str(), "provisioning-extensions");
}

#[test]
fn defaults_are_those_of_the_specification() {
    let config = load_text(LOCAL, &[]).unwrap();
    assert_eq!((config.server.host.as_str(), config.server.port), ("0.0.0.0", 8082));
    assert!(config.server.enable_cors && config.server.enable_compression);
    assert_eq!(config.server.cors_allowed_origins, ["*"]);
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(30));
    assert_eq!(config.server.max_connections, 10_000);
    assert!(!config.catalog.union);
    assert_eq!(config.cache.capacity.get(), 1000);
    assert_eq!(config.cache.ttl, Duration::from_mins(5));
    assert!(config.cache.enable_list_cache && config.cache.enable_metadata_cache);
    assert_eq!(local(&config), Path::new("extensions"));
}

#[test]
fn later_places_win_over_earlier_ones() {
    let text = format!("[server]\nport = 1\nhost = \"file\"\n{OCI}{LOCAL}");
    let environment = [
        ("EXTENSION_REGISTRY__SERVER__PORT", "2"),
        ("EXTENSION_REGISTRY__CATALOG__ORDER", "local, oci"),
        ("EXTENSION_REGISTRY__CACHE__ENABLE_LIST_CACHE", "false"),
        ("UNRELATED", "x"),
    ];
    let config = load_text(&text, &environment).unwrap();
    assert_eq!((config.server.port, config.server.host.as_str()), (2, "file"));
    assert_eq!(ids(&config), ["local", "oci"]);
    assert!(!config.cache.enable_list_cache);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let sources = Sources {
        file: Some(&path),
        environment: vec![("EXTENSION_REGISTRY__SERVER__PORT".to_owned(), "2".to_owned())],
        flags: Flags { port: Some(3), ..Flags::default() },
        demo: false,
    };
    assert_eq!(load(&sources).unwrap().server.port, 3);
}

#[test]
fn state_is_kept_where_systemd_says_unless_a_directory_is_named() {
    let dir = |text: &str, environment: &[(&str, &str)]| {
        load_text(&format!("{LOCAL}{text}"), environment).unwrap().cache.state_dir
    };
    let named = "[cache]\nstate_dir = \"/srv/state\"\n";
    assert_eq!(dir("", &[]), None);
    assert_eq!(dir("", &[("STATE_DIRECTORY", "")]), None);
    assert_eq!(
        dir("", &[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")]).unwrap(),
        Path::new("/var/lib/a")
    );
    assert_eq!(dir(named, &[("STATE_DIRECTORY", "/var/lib/a")]).unwrap(), Path::new("/srv/state"));
}

#[test]
fn a_backend_can_come_from_the_environment_alone() {
    let config = load_text("", &[("EXTENSION_REGISTRY__LOCAL__PATH", "/srv/x")]).unwrap();
    assert_eq!(local(&config), Path::new("/srv/x"));
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_the_nearest_name() {
    let text = r#"prot = 1

[server]
prot = 8082
host = ""
workers = 0
enable_cors = "yes"

[locl]
path = "x"

[cache]
capacity = 1.5
ttl_seconds = -1

[catalog]
merge = "onion"
order = ["gitea", "gitea", "svn"]

[gitea]
url = "gitea.example.com"
verify_ssl = 1
"#;
    let environment =
        [("EXTENSION_REGISTRY__SERVER__HSOT", "x"), ("EXTENSION_REGISTRY__SERVER__PORT", "high")];
    let problems = load_text(text, &environment).unwrap_err();
    let expected = "16 problems in the configuration
  config.toml:1: prot: unknown key
  config.toml:4: server.prot: unknown key; did you mean server.port?
  config.toml:5: server.host: must not be empty
  config.toml:6: server.workers: must be from 1 to 1024, not 0
  config.toml:7: server.enable_cors: must be true or false, not text
  config.toml:9: [locl]: unknown section; did you mean [local]?
  config.toml:13: cache.capacity: must be a whole number from 1 to 10000000, not a number with a fraction
  config.toml:14: cache.ttl_seconds: must be from 1 to 2592000, not -1
  config.toml:17: catalog.merge: must be one of owner, union, not \"onion\"; did you mean \"union\"?
  config.toml:18: catalog.order: \"svn\" is no backend: gitea, oci, local
  config.toml:18: catalog.order: names gitea twice
  config.toml:20: gitea.organization: is required
  config.toml:21: gitea.url: must be http:// or https:// and a host, without credentials, not \"gitea.example.com\"
  config.toml:22: gitea.verify_ssl: must be true or false, not a number
  environment variable EXTENSION_REGISTRY__SERVER__HSOT: server.hsot: unknown key; did you mean server.host?
  environment variable EXTENSION_REGISTRY__SERVER__PORT: server.port: must be a whole number from 0 to 65535, not text";
    assert_eq!(problems, expected);
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let problems = load_text("[server]\nport = \n[local\npath = 'x'\n", &[]).unwrap_err();
    assert!(problems.contains("config.toml:2: "), "{problems}");
    assert!(problems.contains("config.toml:3: "), "{problems}");
}

#[test]
fn a_key_in_the_wrong_section_is_told_the_right_one() {
    let problems = load_text("port = 1\n[cache]\norganization = \"x\"\n", &[]).unwrap_err();
    assert!(problems.contains("port: unknown key; did you mean server.port?"), "{problems}");
    assert!(problems.contains("did you mean gitea.organization?"), "{problems}");
}

#[test]
fn no_backend_is_told_how_to_add_one() {
    let problems = load_text("[server]\nport = 1\n", &[]).unwrap_err();
    for words in ["no backend is configured", "[local]", "--demo", "config.toml"] {
        assert!(problems.contains(words), "{words} is not in {problems}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems = load_file(Path::new("/nonexistent/config.toml"), &[]).unwrap_err();
    assert!(problems.contains("/nonexistent/config.toml: cannot be read"), "{problems}");
}

#[test]
fn a_section_without_its_required_keys_is_told_them() {
    let problems = load_text("[oci]\nverify_ssl = false\n[local]\n", &[]).unwrap_err();
    assert_eq!(
        problems,
        "3 problems in the configuration\n  config.toml:1: oci.namespace: is required\n  \
         config.toml:1: oci.registry: is required\n  config.toml:3: local.path: is required"
    );
}

#[test]
fn the_example_is_current_complete_and_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    crate::support::committed::assert_committed(&path, &example());
    let config = load_file(&path, &[]).unwrap();
    assert_eq!(local(&config), Path::new("extensions"));
    // With every comment sign before a key taken away it is valid too, and shows every section.
    let uncommented: String = example()
        .lines()
        .filter_map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") => Some(rest),
            Some(_) => None,
            None => Some(line),
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let all = load_text(&uncommented, &[]).unwrap();
    assert_eq!(ids(&all), ["gitea", "oci", "local"]);
    assert!(all.server.workers.is_some());
}

#[test]
fn g22_the_case_of_a_scheme_does_not_matter_in_any_key() {
    for url in ["HTTPS://git.example.com", "Http://git.example.com:3000/git", "httpS://h"] {
        let text = format!("[gitea]\nurl = \"{url}\"\norganization = \"x\"\n");
        let config = load_text(&text, &[]).unwrap();
        assert_eq!(gitea(&config).url, url.parse().unwrap());
    }
    for bad in ["ftp://h", "HTTPS:h", "HTTPS://", "HTTPS://me@h", "://h", "xhttp://h"] {
        let text = format!("[gitea]\nurl = \"{bad}\"\norganization = \"x\"\n");
        let problems = load_text(&text, &[]).unwrap_err();
        assert!(problems.contains("must be http:// or https://"), "{bad}: {problems}");
    }
    for registry in ["HTTP://localhost:5000", "HTTPS://registry.example.com", "Http://h/sub"] {
        let address = registry.parse::<RegistryAddress>().unwrap();
        assert_eq!(address.to_string().to_lowercase(), registry.to_lowercase());
    }
}

#[test]
fn g07_the_number_of_an_organization_is_a_number() {
    let with = |value: &str| {
        let gitea = "[gitea]\nurl = \"http://h\"\norganization = \"x\"\norganization_id = ";
        load_text(&format!("{gitea}{value}\n"), &[])
    };
    assert_eq!(gitea(&with("4711").unwrap()).organization_id, Some(4711));
    for bad in ["0", "-1", "\"x\"", "1.5"] {
        assert!(with(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_public_url_is_an_address_and_nothing_more() {
    let load = |url: &str| load_text(&format!("[server]\npublic_url = {url:?}\n{LOCAL}"), &[]);
    for (url, expected) in [
        ("https://extensions.example.com/", "https://extensions.example.com"),
        ("http://EXTENSIONS.example.com:80/registry/", "http://extensions.example.com/registry"),
    ] {
        assert_eq!(load(url).unwrap().server.public_url.unwrap().at(""), expected);
    }
    assert_eq!(load_text(LOCAL, &[]).unwrap().server.public_url, None);
    let environment = [("EXTENSION_REGISTRY__SERVER__PUBLIC_URL", "https://a.example")];
    let config = load_text(LOCAL, &environment).unwrap();
    assert_eq!(config.server.public_url.unwrap().at("/x"), "https://a.example/x");
    for bad in [
        "",
        "extensions.example.com",
        "ftp://extensions.example.com",
        "https://me:secret@extensions.example.com",
        "https://extensions.example.com?x=1",
        "https://extensions.example.com/a#b",
        "https://extensions.example.com/a/../b",
        "https://extensions.example.com//a",
        "https://extensions.example.com/ä",
        "https://extensions.example.com/a b",
    ] {
        let problems = load(bad).unwrap_err();
        let line = problems.lines().nth(1).unwrap();
        assert!(
            problems.starts_with("1 problem ") && line.contains("server.public_url: "),
            "{line}"
        );
        assert!(line.contains("config.toml:2: ") && !line.contains("secret"), "{line}");
    }
}

#[test]
fn everything_may_lie_below_a_plain_path() {
    let read = |keys: &str| load_text(&format!("[server]\n{keys}\n{LOCAL}"), &[]);
    for (text, base_path) in [("", ""), ("/", ""), ("/a", "/a"), ("/a/b.c/", "/a/b.c")] {
        let config = read(&format!("base_path = \"{text}\"")).unwrap();
        assert_eq!(config.server.base_path, base_path, "{text}");
    }
    let long = format!("/{}", "a".repeat(128));
    for bad in ["a", "//a", "/a/../b", "/a b", "/a?b", "/ä", &long] {
        let told = read(&format!("base_path = \"{bad}\"")).unwrap_err();
        assert!(told.contains("server.base_path") && told.contains("is no path"), "{bad}: {told}");
    }
    let url = "public_url = \"https://x.example/a\"";
    assert!(read(&format!("base_path = \"/a\"\n{url}")).is_ok());
    let told = read(&format!("base_path = \"/b\"\n{url}")).unwrap_err();
    assert!(told.contains("must end with server.base_path"), "{told}");
}

#[test]
fn pages_are_served_unless_they_are_switched_off() {
    let web = |keys: &str| load_text(&format!("[web]\n{keys}\n{LOCAL}"), &[]).unwrap().web;
    assert!(web("").enabled && !web("").remote_images);
    assert!(!web("enabled = false").enabled && web("remote_images = true").remote_images);
}
