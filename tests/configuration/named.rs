//! Several backends of one kind: entries with names, their order, and every way to get them wrong.

use super::{LOCAL, OCI, gitea, ids, load_text};

const TWO: &str = r#"[[gitea]]
name = "internal"
url = "https://git.example"
organization = "a"

[[gitea]]
name = "my-partner"
url = "https://git.example"
organization = "b"
retries = 0
"#;

fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let problems = load_text(text, environment).unwrap_err();
    problems.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn entries_are_backends_in_the_order_of_kinds_and_of_the_file() {
    let local = LOCAL.replace("[local]", "[[local]]\nname = \"disk\"");
    let config = load_text(&format!("{local}{OCI}{TWO}"), &[]).unwrap();
    assert_eq!(ids(&config), ["internal", "my-partner", "oci", "disk"]);
    let paths: Vec<&str> = config.backends.iter().map(|backend| backend.path.as_str()).collect();
    assert_eq!(paths, ["gitea.internal", "gitea.my-partner", "oci", "local.disk"]);
    assert_eq!(gitea(&config).organization.as_str(), "a");
    assert_eq!(gitea(&config).id.as_str(), "internal");
    let prints: Vec<&str> =
        config.backends.iter().map(|backend| backend.fingerprint.as_str()).collect();
    assert_eq!(
        prints[..3],
        ["https://git.example/a", "https://git.example/b", "registry.example/n"]
    );
    assert!(config.warnings.is_empty());
}

#[test]
fn one_entry_may_have_the_name_of_its_kind() {
    let config = load_text(&TWO.replace("internal", "gitea"), &[]).unwrap();
    assert_eq!(ids(&config), ["gitea", "my-partner"]);
}

#[test]
fn a_variable_sets_a_key_of_the_entry_that_it_names() {
    let environment = [
        ("EXTENSION_REGISTRY__GITEA__MY_PARTNER__ORGANIZATION", "c"),
        ("EXTENSION_REGISTRY__GITEA__INTERNAL__MAX_CONCURRENCY", "3"),
        ("EXTENSION_REGISTRY__CATALOG__ORDER", "my-partner, internal"),
    ];
    let config = load_text(TWO, &environment).unwrap();
    assert_eq!(ids(&config), ["my-partner", "internal"]);
    assert_eq!(gitea(&config).organization.as_str(), "c");
    assert_eq!(gitea(&config).upstream.retries, 0);
}

#[test]
fn the_order_names_every_backend_and_may_name_kinds_that_are_not_configured() {
    let order = |names: &str| format!("{TWO}{LOCAL}[catalog]\norder = {names}\n");
    let config = load_text(&order(r#"["local", "my-partner", "oci", "internal"]"#), &[]).unwrap();
    assert_eq!(ids(&config), ["local", "my-partner", "internal"]);
    for (names, expected) in [
        (
            r#"["gitea", "oci", "local"]"#,
            &[
                "lacks internal: name every backend that is configured",
                "lacks my-partner: name every backend that is configured",
            ][..],
        ),
        (
            r#"["internl", "my-partner", "local"]"#,
            &[
                "\"internl\" is no backend: internal, my-partner, local, gitea, oci; did you mean \
             \"internal\"?",
                "lacks internal: name every backend that is configured",
            ],
        ),
        (r#"["internal", "my-partner", "local", "internal"]"#, &["names internal twice"]),
    ] {
        let expected: Vec<String> =
            expected.iter().map(|what| format!("config.toml:14: catalog.order: {what}")).collect();
        assert_eq!(problems(&order(names), &[]), expected);
    }
}

#[test]
fn a_name_that_cannot_be_told_from_others_is_told_with_its_line() {
    let named = |name: &str| TWO.replace("my-partner", name);
    for (text, expected) in [
        (named("internal"), "config.toml:7: gitea.internal.name: another backend is named"),
        (named("url"), "config.toml:7: gitea.url.name: \"url\" is a key of the section"),
        (named("token-path"), "config.toml:7: gitea.token-path.name: \"token-path\" is a key"),
        (named("name"), "config.toml:7: gitea.name.name: \"name\" is a key of the section"),
        (named("oci"), "config.toml:7: gitea.oci.name: \"oci\" is for backends of [oci]"),
        (named("My_Git"), "config.toml:7: gitea.My_Git.name: must be 1 to 32 of a-z 0-9 -"),
        (named(""), "config.toml:7: gitea..name: must be 1 to 32 of a-z 0-9 -"),
        (
            TWO.replace("name = \"my-partner\"\n", ""),
            "config.toml:6: gitea.name: is required in an entry, such as name = \"internal\"",
        ),
        (
            format!("{TWO}[[oci]]\nname = \"internal\"\nregistry = \"r\"\nnamespace = \"n\"\n"),
            "config.toml:12: oci.internal.name: another backend is named \"internal\"",
        ),
    ] {
        let problems = problems(&text, &[]);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].starts_with(expected), "{}", problems[0]);
    }
}

#[test]
fn a_table_beside_entries_is_told_how_to_write_it() {
    let table = "[gitea]\nurl = \"https://h\"\norganization = \"c\"\n";
    for text in [format!("{TWO}{table}"), format!("{table}{TWO}"), format!("{table}{table}")] {
        let problems = problems(&text, &[]);
        assert!(problems[0].contains("[gitea] is there already"), "{problems:#?}");
        assert!(problems[0].contains("[[gitea]]") && problems[0].contains("name"), "{problems:#?}");
    }
    let url = "EXTENSION_REGISTRY__GITEA__URL";
    let told = problems(TWO, &[(url, "https://h")]);
    assert_eq!(
        told,
        [format!(
            "environment variable {url}: gitea: names no entry of the file; write \
             EXTENSION_REGISTRY__GITEA__NAME__KEY for an entry of [[gitea]] (INTERNAL, MY_PARTNER), or \
             EXTENSION_REGISTRY__GITEA__KEY for a table [gitea]"
        )]
    );
}

#[test]
fn a_variable_of_an_entry_that_is_not_there_is_told_those_that_are() {
    let variable = "EXTENSION_REGISTRY__GITEA__INTERNL__URL";
    let told = problems(TWO, &[(variable, "https://h")]);
    assert_eq!(told.len(), 1, "{told:#?}");
    let end = "for a table [gitea]; did you mean INTERNAL?";
    assert!(told[0].contains(variable) && told[0].ends_with(end), "{told:#?}");
    let renamed = problems(TWO, &[("EXTENSION_REGISTRY__GITEA__INTERNAL__NAME", "x")]);
    assert!(renamed[0].contains("names no entry of the file"), "{renamed:#?}");
    let told = problems(LOCAL, &[(variable, "https://h")]);
    assert!(told[0].contains("EXTENSION_REGISTRY__GITEA__KEY"), "{told:#?}");
    assert!(told[0].contains("[[gitea]]") && told.len() == 1, "{told:#?}");
    let server = problems(LOCAL, &[("EXTENSION_REGISTRY__SERVER__A__B", "x")]);
    assert!(server[0].ends_with("server.a__b: unknown key"), "{server:#?}");
    let section = problems(LOCAL, &[("EXTENSION_REGISTRY__GITEE__INTERNAL__URL", "x")]);
    assert!(section[0].ends_with("did you mean [gitea]?"), "{section:#?}");
}

#[test]
fn a_section_that_there_is_one_of_is_no_array() {
    let told = problems(&format!("{LOCAL}[[server]]\nport = 1\n"), &[]);
    assert_eq!(told, ["config.toml:3: [[server]]: must be a table; write [server]"]);
}

#[test]
fn a_name_or_an_entry_in_a_table_is_told_how_to_write_it() {
    let table = "[gitea]\nurl = \"https://h\"\norganization = \"c\"\n";
    let how = "unknown key; a backend with a name begins with [[gitea]]";
    let told = problems(&format!("{table}name = \"x\"\n"), &[]);
    assert_eq!(told, [format!("config.toml:4: gitea.name: {how}")]);
    let told = problems(&format!("{table}[gitea.x]\nurl = \"https://h\"\n"), &[]);
    assert_eq!(told, [format!("config.toml:4: gitea.x: {how}")]);
}

#[test]
fn every_entry_is_checked_and_problems_name_it() {
    let text =
        TWO.replace("https://git", "git").replace("retries = 0", "retires = 0\nretries = 11");
    let told = problems(&text, &[]);
    let beginnings = [
        "config.toml:3: gitea.internal.url: must be http:// or https://",
        "config.toml:8: gitea.my-partner.url: must be http:// or https://",
        "config.toml:10: gitea.my-partner.retires: unknown key; did you mean gitea.my-partner.retries?",
        "config.toml:11: gitea.my-partner.retries: must be from 0 to 10, not 11",
    ];
    assert_eq!(told.len(), beginnings.len(), "{told:#?}");
    for (line, beginning) in told.iter().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line}");
    }
}

#[test]
fn two_names_of_one_upstream_are_a_warning() {
    let text = TWO.replace("organization = \"b\"", "organization = \"A\"");
    let text = text.replacen("https://git.example", "HTTPS://Git.example/", 1);
    let config = load_text(&text, &[]).unwrap();
    assert_eq!(
        config.warnings,
        ["gitea.internal and gitea.my-partner are one and the same: HTTPS://Git.example/a"]
    );
    let local = "[[local]]\nname = \"a\"\npath = \"x\"\n[[local]]\nname = \"b\"\npath = \"./x\"\n";
    assert_eq!(load_text(local, &[]).unwrap().warnings.len(), 1);
}
