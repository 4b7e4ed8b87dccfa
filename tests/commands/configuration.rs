//! `config show`, `init` and `schema`, and `config check` with several backends' problems.

use std::path::Path;

use extension_registry::config::{example, schema};
use registry_core::config_reader::form::REDIS;
use registry_core::models::backend_id::BackendName;
use registry_core::models::byte_size::bytes_of;
use registry_valkey::address::EngineAddress;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::program::{Running, program, run, stderr};

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn show_tells_every_value_and_where_it_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[server]\nhost = \"127.0.0.1\"\nport = 1\n\n[oci]\nregistry = \"registry.example\"\n\
                namespace = \"n\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let output = program(dir.path())
        .args(["config", "show", "--port", "9000"])
        .env("EXTENSION_REGISTRY__CACHE__CAPACITY", "500")
        .env("EXTENSION_REGISTRY__CATALOG__ORDER", "local,oci")
        .env("STATE_DIRECTORY", "/var/lib/x")
        .output()
        .unwrap();
    let shown = stdout(&output);
    for line in [
        "[server]",
        "host = \"127.0.0.1\"  # config.toml:2",
        "port = 9000  # --port",
        "# workers is not set",
        "enable_cors = true  # default",
        "# [gitea] is not configured",
        "registry = \"registry.example\"  # config.toml:6",
        "capacity = 500  # environment variable EXTENSION_REGISTRY__CACHE__CAPACITY",
        "order = [\"local\", \"oci\"]  # environment variable EXTENSION_REGISTRY__CATALOG__ORDER",
        "state_dir = \"/var/lib/x\"  # environment variable STATE_DIRECTORY",
    ] {
        assert!(shown.lines().any(|found| found == line), "{line} is not in\n{shown}");
    }
}

#[test]
fn entries_are_shown_with_their_places_and_warnings_are_printed() {
    let dir = tempfile::tempdir().unwrap();
    let entry = |name: &str| format!("[[local]]\nname = \"{name}\"\npath = \"x\"\n");
    std::fs::write(dir.path().join("config.toml"), entry("a") + &entry("my-b")).unwrap();
    let shown = program(dir.path())
        .args(["config", "show"])
        .env("EXTENSION_REGISTRY__LOCAL__MY_B__PATH", "y")
        .output()
        .unwrap();
    let variable = "environment variable EXTENSION_REGISTRY__LOCAL__MY_B__PATH";
    let expected = format!(
        "[[local]]\nname = \"a\"  # config.toml:2\npath = \"x\"  # config.toml:3\n\n\
         [[local]]\nname = \"my-b\"  # config.toml:5\npath = \"y\"  # {variable}\n"
    );
    assert!(stdout(&shown).contains(&expected), "{}", stdout(&shown));
    let checked = stdout(&run(dir.path(), &["config", "check"]));
    let lines: Vec<&str> = checked.lines().collect();
    assert!(lines[0].starts_with("warning: local.a and local.my-b are one and the same: /"));
    assert_eq!(lines[1..], ["the configuration is valid"]);
}

#[test]
fn files_of_entries_are_checked_all_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let entry = |name: &str| {
        format!(
            "[[oci]]\nname = \"{name}\"\nregistry = \"{name}.example\"\nnamespace = \"n\"\n\
             auth_token_path = \"none\"\nwebhook_secret_path = \"none\"\nca_file = \"none\"\n"
        )
    };
    std::fs::write(dir.path().join("config.toml"), entry("a") + &entry("b")).unwrap();
    let told = stderr(&run(dir.path(), &["config", "check"]));
    let places: Vec<&str> =
        told.lines().skip(1).map(|line| line.trim().split(": ").nth(1).unwrap()).collect();
    let keys = ["auth_token_path", "webhook_secret_path", "ca_file"];
    let expected: Vec<String> =
        ["a", "b"].iter().flat_map(|name| keys.map(|key| format!("oci.{name}.{key}"))).collect();
    assert_eq!(places, expected, "{told}");
}

#[test]
fn secrets_are_in_no_output_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[gitea]\nurl = \"https://me:hunter2@git.example\"\norganization = \"x\"\n\
                [oci]\nregistry = \"me:hunter2@registry.example\"\nnamespace = \"n\"\n";
    for text in [text, &text.replace("https://me:hunter2@git", "https://git")] {
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        for command in ["show", "check"] {
            let output = run(dir.path(), &["config", command]);
            let told = stdout(&output) + &stderr(&output);
            assert!(!told.contains("hunter2"), "{command}: {told}");
        }
    }
    let shown = stdout(&run(dir.path(), &["config", "show"]));
    assert!(shown.contains("registry = \"***@registry.example\"  # config.toml:5"), "{shown}");
}

#[test]
fn check_tells_what_backends_would_refuse_all_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[gitea]\nurl = \"https://git.example\"\norganization = \"a b\"\n\
                token_path = \"none\"\n[oci]\nregistry = \"a b\"\nnamespace = \"a//b\"\n\
                ca_file = \"config.toml\"\nrepositories = [\"x\"]\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let output = run(dir.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    let places: Vec<String> = stderr(&output)
        .lines()
        .skip(1)
        .map(|line| line.trim().splitn(4, ':').take(3).collect::<Vec<_>>().join(":"))
        .collect();
    assert_eq!(
        places,
        [
            "config.toml:3: gitea.organization",
            "config.toml:4: gitea.token_path",
            "config.toml:6: oci.registry",
            "config.toml:7: oci.namespace",
            "config.toml:8: oci.ca_file",
            "config.toml:9: oci.repositories",
        ],
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_schema_is_current_and_the_program_prints_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.schema.json");
    crate::support::committed::assert_committed(&path, &schema());
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(stdout(&run(dir.path(), &["config", "schema"])), schema());
}

/// Whether a value fits a schema, as far as ours go: the keywords of objects, texts and numbers.
/// An unknown keyword is an error, so that none is passed over.
fn fits(schema: &Value, value: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(keyword, wanted)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" => true,
        "type" => match wanted.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            other => panic!("{other}"),
        },
        "properties" => wanted
            .as_object()
            .unwrap()
            .iter()
            .all(|(name, schema)| value.get(name).is_none_or(|value| fits(schema, value))),
        "required" => wanted
            .as_array()
            .unwrap()
            .iter()
            .all(|name| value.get(name.as_str().unwrap()).is_some()),
        "additionalProperties" => {
            let known = schema["properties"].as_object().unwrap();
            value.as_object().is_none_or(|keys| keys.keys().all(|key| known.contains_key(key)))
        }
        "oneOf" => wanted.as_array().unwrap().iter().filter(|one| fits(one, value)).count() == 1,
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(wanted, item))),
        "enum" => wanted.as_array().unwrap().contains(value),
        "minimum" => value.as_i64().is_none_or(|number| number >= wanted.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|number| number <= wanted.as_i64().unwrap()),
        "pattern" => value.as_str().is_none_or(|text| match wanted.as_str().unwrap() {
            r"\S" => !text.trim().is_empty(),
            "^[a-z][a-z0-9-]{0,31}$" => text.parse::<BackendName>().is_ok(),
            r"^[hH][tT][tT][pP][sS]?://[^/@\s]+(/|$)" => {
                let lower = text.to_ascii_lowercase();
                lower.starts_with("https://") || lower.starts_with("http://")
            }
            REDIS => text.parse::<EngineAddress>().is_ok(),
            "^(/[A-Za-z0-9._~-]+)*/?$" => text.is_empty() || text.starts_with('/'),
            r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?$" => {
                text.starts_with("s3://")
            }
            "^[0-9]+ *([bB]|[kKmMgGtT][iI]?[bB])?$" => bytes_of(text).is_ok(),
            other => panic!("{other}"),
        }),
        other => panic!("{other}"),
    })
}

#[test]
fn the_example_fits_the_schema_and_mistakes_do_not() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let example = example();
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    for text in [example, uncommented] {
        let value: Value = toml::from_str(&text).unwrap();
        assert!(fits(&schema, &value), "{text}");
    }
    for wrong in [
        json!({ "server": { "port": 65_536 } }),
        json!({ "server": { "port": "8082" } }),
        json!({ "server": { "prot": 1 } }),
        json!({ "sever": {} }),
        json!({ "gitea": { "url": "https://git.example" } }),
        json!({ "gitea": { "url": "git.example", "organization": "x" } }),
        json!({ "local": { "path": " " } }),
        json!({ "shared": { "redis_url": "http://h", "secret_path": "x" } }),
        json!({ "shared": { "redis_url": "redis://u:p@h", "secret_path": "x" } }),
        json!({ "catalog": { "merge": "onion" } }),
        json!({ "catalog": { "order": "local" } }),
        json!({ "cache": { "enable_list_cache": 1 } }),
    ] {
        assert!(!fits(&schema, &wrong), "{wrong}");
    }
}

/// Values that no start takes, and the key that each is told of.
const NO_VALUES: &[(&str, &str, &str)] = &[
    ("server.cors_allowed_origins", r#"["https://a/\r\nX: y"]"#, "no origin"),
    ("server.cors_allowed_origins", r#"["https://a.example/"]"#, "no origin"),
    ("server.cors_allowed_origins", r#"["https://a.example/app"]"#, "no origin"),
    ("server.cors_allowed_origins", r#"["a.example"]"#, "no origin"),
    ("server.cors_allowed_origins", r#"["https://*.example"]"#, "no origin"),
    ("server.cors_allowed_origins", r#"["https://u:p@a.example"]"#, "no origin"),
    ("server.cors_allowed_origins", r#"[""]"#, "no origin"),
    ("server.host", r#""a b""#, "address"),
    ("server.host", r#""http://0.0.0.0""#, "address"),
    ("server.host", r#""0.0.0.0:80""#, "address"),
    ("server.host", r#""a\r\nb""#, "address"),
    ("server.trusted_proxies", r#"["10.0.0.0/33"]"#, "10.0.0.0/33"),
    ("server.trusted_proxies", r#"["proxy.example"]"#, "proxy.example"),
    ("gitea.url", r#""https://git.example:99999""#, "port"),
    ("gitea.url", r#""https://[::1""#, "address"),
    ("gitea.url", r#""https://git.example/\r\nX: y""#, "must be"),
    ("gitea.url", r#""https://git.example?q=1""#, "must be"),
    ("gitea.url", r#""https://git.example#f""#, "must be"),
    ("gitea.external_asset_hosts", r#"["https://files.example"]"#, "host"),
    ("gitea.external_asset_hosts", r#"["files.example:443"]"#, "host"),
    ("gitea.external_asset_hosts", r#"["*.example"]"#, "host"),
    ("gitea.external_asset_hosts", r#"["a\r\nb"]"#, "host"),
    ("gitea.external_asset_hosts", r#"[""]"#, "host"),
    ("gitea.token_path", r#""two""#, "one word"),
    ("gitea.webhook_secret_path", r#""empty""#, "one word"),
    ("gitea.ca_file", r#""two""#, "holds no certificate"),
    ("gitea.ca_file", r#""broken.pem""#, "cannot be read"),
    ("oci.registry", r#""reg istry""#, "registry"),
    ("oci.namespace", r#""a\r\nb""#, "namespace"),
    ("oci.token_hosts", r#"["https://auth.example"]"#, "host"),
    ("oci.token_hosts", r#"["auth.example:0"]"#, "host"),
    ("oci.token_hosts", r#"["a\r\nb"]"#, "host"),
    ("oci.repositories", r#"["a b-provider"]"#, "ends in none"),
    ("oci.auth_token_path", r#""two""#, "one word"),
    ("oci.webhook_secret_path", r#""pipe""#, "regular file"),
    ("oci.ca_file", r#""folder""#, "regular file"),
    ("catalog.order", r#"["gitea", "svn"]"#, "svn"),
    ("local.path", r#""a\u0000b""#, "NUL"),
    ("cache.state_dir", r#""a\u0000b""#, "NUL"),
    ("auth.tokens_path", r#""/dev/zero""#, "regular file"),
];

fn with_files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("two"), "two words").unwrap();
    std::fs::write(dir.path().join("empty"), " \n").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    std::fs::write(dir.path().join("broken.pem"), broken).unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status();
    assert!(pipe.unwrap().success());
    dir
}

/// A configuration that is valid but for this value, and the line that it stands on.
fn with_value(key: &str, value: &str) -> (String, usize) {
    let (section, name) = key.split_once('.').unwrap();
    let needs: &[&str] = match section {
        "gitea" => &["url = \"https://git.example\"", "organization = \"x\""],
        "oci" => &["registry = \"registry.example\"", "namespace = \"n\""],
        _ => &[],
    };
    let needs: Vec<&str> =
        needs.iter().copied().filter(|line| !line.starts_with(&format!("{name} "))).collect();
    let mut lines = vec!["[downloads]".to_owned(), "on_change = \"refuse\"".to_owned()];
    if section != "local" {
        lines.extend(["[local]".to_owned(), "path = \"extensions\"".to_owned()]);
    }
    lines.push(format!("[{section}]"));
    lines.extend(needs.iter().map(|line| (*line).to_owned()));
    lines.push(format!("{name} = {value}"));
    (lines.join("\n") + "\n", lines.len())
}

#[test]
fn s10_what_no_start_takes_is_told_by_the_check_with_key_and_line() {
    let dir = with_files();
    let mut wrong = Vec::new();
    for (key, value, word) in NO_VALUES {
        let (text, line) = with_value(key, value);
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        let output = run(dir.path(), &["config", "check"]);
        let told = stderr(&output);
        let place = format!("config.toml:{line}: {key}: ");
        let ours = told.lines().find(|told| told.trim().starts_with(&place));
        if output.status.code() != Some(2) || !ours.is_some_and(|told| told.contains(word)) {
            wrong.push(format!("{key} = {value}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), NO_VALUES.len(), wrong.join("\n"));
}

/// What is taken, some of it written oddly.
#[tokio::test]
async fn s10b_what_the_check_takes_the_start_takes() {
    let dir = with_files();
    for (key, value) in [
        ("server.cors_allowed_origins", r#"["*"]"#),
        ("server.cors_allowed_origins", "[]"),
        (
            "server.cors_allowed_origins",
            r#"["HTTPS://A.Example:443", "http://[::1]:8080", "null", "tauri://localhost"]"#,
        ),
        ("server.host", r#""localhost""#),
        ("server.host", r#""[::1]""#),
        ("server.trusted_proxies", r#"["10.0.0.1", "fd00::/8"]"#),
        ("gitea.url", r#""http://127.0.0.1:9/sub/""#),
        ("gitea.external_asset_hosts", r#"["FILES.example", "10.0.0.1", "[fd00::1]"]"#),
        ("oci.registry", r#""http://127.0.0.1:9""#),
        ("oci.token_hosts", r#"["AUTH.example", "auth.example:8443", "[fd00::1]:5000"]"#),
        ("local.path", r#""config.toml""#),
        ("cache.state_dir", r#""config.toml""#),
    ] {
        let (text, _) = with_value(key, value);
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        let checked = run(dir.path(), &["config", "check"]);
        assert!(checked.status.success(), "{key} = {value}: {}", stderr(&checked));
        let host: &[&str] = if key == "server.host" { &[] } else { &["--host", "127.0.0.1"] };
        let running = Running::start(dir.path(), host);
        let got =
            running.send(Method::GET, "/health", &[("origin", "https://a.example")], "").await;
        assert_eq!(got.status, 200, "{key} = {value}");
        if value.contains("A.Example") {
            assert_eq!(got.header("access-control-allow-origin"), "https://a.example");
        }
        running.signal("-TERM");
        assert_eq!(running.wait().0.code(), Some(0), "{key} = {value}");
    }
}
