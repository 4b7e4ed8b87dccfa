//! The examples of the README and of docs/: the requests are sent to the demo and answered as shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use registry_backends::local::samples::unpack_samples;
use registry_testing::canary;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::played_registry::PlayedRegistry;
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::Running;
use crate::support::served::Served;

const DEMO: &str = "http://127.0.0.1:8082/api/v1";
/// Parts of examples that show a directory of the reader's own, not the demo.
const NOT_THE_DEMO: [&str; 1] = ["taskserv/hello"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let markdown = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    markdown.chain([root().join("README.md")]).collect()
}

/// A `$ curl …` line of a console block with the line below it.
struct Example {
    path: String,
    next_line: String,
    command: String,
}

/// The requests of one document's console blocks that go to the demo, up to where it serves
/// something else.
fn examples(text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(command) = line.strip_prefix("$ curl ") else { continue };
        let Some((_, rest)) = command.split_once(DEMO) else { continue };
        let end = rest.find(['\'', '"', ' ']).unwrap_or(rest.len());
        let path = rest[..end].to_owned();
        if !NOT_THE_DEMO.iter().any(|other| path.contains(other)) {
            let next_line = lines.get(at + 1).copied().unwrap_or_default().to_owned();
            found.push(Example { path, next_line, command: command.to_owned() });
        }
    }
    found
}

async fn demo() -> (TempDir, Served) {
    let dir = tempfile::tempdir().unwrap();
    unpack_samples(dir.path()).unwrap();
    let served = Served::local(dir.path()).await;
    (dir, served)
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

#[tokio::test]
async fn the_requests_of_the_quick_start_are_answered_as_shown() {
    let (_dir, served) = demo().await;
    let text = read("docs/quick-start.md");
    let examples = examples(text.split("## Serve your own directory").next().unwrap());
    assert!(examples.len() >= 8, "{} examples", examples.len());
    for Example { path, next_line, command } in examples {
        let got = served.get(&path).await;
        if next_line.starts_with("{\"error\"") {
            assert_eq!(got.text(), next_line, "{command}");
        } else {
            assert!(got.status.is_success(), "{command}: {}", got.status);
        }
    }
}

#[tokio::test]
async fn the_values_of_the_quick_start_are_those_of_the_demo() {
    let (_dir, served) = demo().await;
    let text = read("docs/quick-start.md");
    let buildkit = served.get("/extensions/cluster/buildkit").await.json();
    for field in ["description", "author", "repository", "published_at", "href", "digest"] {
        let shown = format!("\"{field}\": {}", buildkit[field]);
        assert!(text.contains(&shown), "{shown}");
    }
    for row in served.get("/extensions/search?q=kubernetes").await.json().as_array().unwrap() {
        let word = |field: &str| row[field].as_str().unwrap().to_owned();
        let shown = format!("{}\t{}\t{}", word("name"), word("type"), word("version"));
        assert!(text.contains(&shown), "{shown}");
    }
    for row in
        served.get("/extensions/taskserv/kubernetes/versions").await.json().as_array().unwrap()
    {
        let shown = format!(
            "{{\"version\":{},\"prerelease\":{},\"size\":{}}}",
            row["version"], row["prerelease"], row["size"]
        );
        assert!(text.contains(&shown), "{shown}");
    }
    let aws: Value = served.get("/extensions/provider/aws").await.json();
    let digest = aws["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    assert!(text.contains(&format!("{digest}  aws-1.2.0.tar.gz")));
    let tags = "/v2/extensions/kubernetes-taskserv/tags/list";
    let listed = served.visit_with(tags, &[("host", "x")]).await;
    assert!(text.contains(&format!("{tags}\n{}\n", listed.text())));
}

#[test]
fn the_documented_problems_are_those_of_config_check() {
    let text = read("docs/configuration.md");
    let part = text.split("For this file").nth(1).unwrap();
    let block = |start: &str| part.split(start).nth(1).unwrap().split("```").next().unwrap();
    let shown = block("```console\n").lines().skip(1).collect::<Vec<_>>().join("\n");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.toml"), block("```toml\n")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_extension-registry"))
        .args(["config", "check"])
        .current_dir(dir.path())
        .env_clear()
        .env("EXTENSION_REGISTRY__CACHE__TTL", "60")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8(output.stderr).unwrap().trim_end(), shown);
}

/// The configuration of the README, with servers of this machine in place of its hosts.
#[tokio::test]
async fn the_readmes_configuration_serves_two_organizations_and_a_registry() {
    let text = read("README.md");
    let block = text.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(block.lines().count() <= 15, "the README promises fifteen lines");
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::empty();
    state.create_released("aws_prov", "1.2.0", b"archive");
    let public = FakeGitea::start(state).await;
    let mut state = State::empty();
    state.create_released("aws_prov", "3.0.0", b"archive");
    state.create_released("vault_taskserv", "1.0.0", b"archive");
    let internal = FakeGitea::start(state).await;
    let played = PlayedRegistry::zot();
    let registry = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let tokens = dir.path().join("tokens").display().to_string();
    let mut config = block.to_owned();
    assert!(config.contains(&format!("organization = \"{ORGANIZATION}\"")));
    for (shown, here) in [
        ("https://gitea.example.com", public.url().as_str()),
        ("https://git.internal.example.com", internal.url().as_str()),
        ("registry.example.com", registry.url().trim_end_matches('/')),
        ("/app/tokens", &tokens),
    ] {
        assert!(config.contains(shown), "{shown}");
        config = config.replace(shown, here);
    }
    fs::create_dir(&tokens).unwrap();
    for (file, secret) in [
        ("gitea-token.txt", internal.token::<String>("<read>")),
        ("oci-token.txt", canary::secret_for(&registry.url(), "oci")),
    ] {
        let path = dir.path().join("tokens").join(file);
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(dir.path().join("config.toml"), config).unwrap();
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    for backend in ["public", "internal", "oci"] {
        let path = format!("/extensions?backend={backend}");
        while running.get(&path).await.json().as_array().is_none_or(Vec::is_empty) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    for (path, version, source, backend) in [
        ("/extensions/provider/aws", "1.2.0", "gitea", "public"),
        ("/extensions/provider/aws?source=gitea", "1.2.0", "gitea", "public"),
        ("/extensions/provider/aws?backend=internal", "3.0.0", "gitea", "internal"),
        ("/extensions/taskserv/vault", "1.0.0", "gitea", "internal"),
    ] {
        let row = running.get(path).await.json();
        let shown = [&row["version"], &row["source"], &row["backend"]];
        assert_eq!(shown, [version, source, backend], "{path}: {row}");
    }
    let health = running.get("/health").await.json();
    assert_eq!(health["backends"]["internal"]["kind"], "gitea", "{health}");
    assert_eq!(health["backends"]["gitea"]["healthy"], true, "{health}");
}

/// The requests of a document to the demo, by path, each with the error that it shows below.
fn errors_shown(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.windows(2).filter(|pair| pair[1].starts_with("{\"error\""));
    let paths = shown.filter_map(|pair| {
        let target = pair[0].strip_prefix("$ curl -s ")?.trim_matches('\'');
        let path = target.strip_prefix("http://127.0.0.1:8082")?;
        Some((path.to_owned(), pair[1].to_owned()))
    });
    paths.collect()
}

#[tokio::test]
async fn the_errors_of_the_apis_page_are_answered_as_shown() {
    let (_dir, served) = demo().await;
    let text = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let shown = errors_shown(&text);
    assert!(shown.len() >= 5, "{shown:?}");
    let client = registry_testing::http::client_builder().build().unwrap();
    for (path, expected) in shown {
        let answer = client.get(format!("{}{path}", served.base)).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), expected, "{path}");
    }
}

/// The lines below the request of the API's page that has this text.
fn shown_below<'a>(text: &'a str, request: &str) -> Vec<&'a str> {
    let lines =
        text.lines().skip_while(|line| !(line.starts_with("$ curl") && line.contains(request)));
    lines.skip(1).take_while(|line| *line != "```").collect()
}

#[tokio::test]
async fn the_sorted_list_and_the_explanation_of_the_apis_page_are_those_of_the_demo() {
    let (_dir, served) = demo().await;
    let text = read("docs/api.md");
    let path = "/extensions?type=cluster&keyword=KUBERNETES&sort=published";
    let names = served.get(path).await.column("name");
    assert!(names.len() > 1, "{names:?}");
    assert_eq!(shown_below(&text, path), names);
    let path = "/extensions/provider/aws/explain";
    let explained = served.get(path).await.json();
    let shown: Value = serde_json::from_str(shown_below(&text, path)[0]).unwrap();
    for (field, value) in shown.as_object().unwrap() {
        assert_eq!(&explained[field], value, "{field}");
    }
}

#[test]
fn what_config_init_says_is_shown() {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut blocks = text.split("```console\n").filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.starts_with("$ extension-registry config init")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_extension-registry");
    let bin = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(program, bin.path().join("extension-registry")).unwrap();
    let mut said = String::new();
    for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", bin.path())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        said += &format!("$ {command}\n{}", String::from_utf8(told).unwrap());
    }
    assert_eq!(said, block);
}

#[test]
fn the_readme_is_short_and_has_the_headings_of_the_specification() {
    let text = read("README.md");
    assert!(text.lines().count() <= 200, "{} lines", text.lines().count());
    for heading in [
        "Features",
        "Installation",
        "Configuration",
        "API endpoints",
        "Extension naming conventions",
        "Caching strategy",
        "Deploy",
        "Troubleshooting",
        "Development",
        "License",
    ] {
        assert!(text.contains(&format!("\n## {heading}")), "{heading}");
    }
}

#[test]
fn cargo_run_of_the_documents_starts_the_service() {
    let named = documents()
        .iter()
        .any(|path| fs::read_to_string(path).unwrap().contains("cargo run --release -- --demo"));
    assert!(named, "no document has the command any more");
    // The package has two programs, of which cargo has to know the first.
    let command = std::process::Command::new(env!("CARGO"))
        .args(["read-manifest", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let manifest: Value = serde_json::from_slice(&command.stdout).unwrap();
    assert_eq!(manifest["default_run"], "extension-registry", "{manifest}");
}

/// The anchor that a heading has in a rendered page.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().replace(' ', "-")
}

fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

/// The pages of docs/adr, the list of them among them.
fn decisions() -> Vec<PathBuf> {
    fs::read_dir(root().join("docs/adr")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn links_between_documents_lead_to_files_and_headings() {
    for document in documents().into_iter().chain(decisions()) {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
            let path = match target {
                "" => document.clone(),
                target => document.parent().unwrap().join(target),
            };
            assert!(path.exists(), "{} links to {link}", document.display());
            if !fragment.is_empty() {
                let found = anchors(&fs::read_to_string(&path).unwrap());
                let there = found.iter().any(|anchor| anchor == fragment);
                assert!(there, "{} links to {link}: {found:?}", document.display());
            }
        }
    }
}

/// A promise is kept only as long as its test is there.
#[test]
fn each_promise_and_bound_of_the_threat_model_names_tests_that_are_there() {
    let mut known = Vec::new();
    let mut folders = vec![root().join("src"), root().join("crates"), root().join("tests")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
                known.extend(names.map(str::to_owned));
                files.push(path);
            }
        }
    }
    let text = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let rows = text.split("## Promises to the network before us").nth(1).unwrap().lines();
    let rows = rows.filter(|line| line.starts_with("| ") && !line.ends_with("| tests |"));
    let mut wrong = Vec::new();
    for row in rows.filter(|row| !row.starts_with("| ---")) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        let is_there = |name: &&str| {
            if Path::new(name).extension().is_some_and(|extension| extension == "rs") {
                files.iter().any(|path| path.ends_with(name))
            } else {
                known.iter().any(|known| known.starts_with(*name))
            }
        };
        if names.is_empty() || !names.iter().all(is_there) {
            wrong.push(row);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_list_of_decisions_is_complete_and_explains_its_gaps() {
    let list = fs::read_to_string(root().join("docs/adr/README.md")).unwrap();
    let (rows, below) = list.split_once("| --- | --- |\n").unwrap().1.split_once("\n\n").unwrap();
    let mut pages: Vec<PathBuf> = decisions();
    pages.retain(|page| !page.ends_with("README.md"));
    pages.sort();
    let mut expected = Vec::new();
    let mut last = 0;
    for page in &pages {
        let file = page.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(page).unwrap();
        let heading = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        let (number, title) = heading.split_once(": ").unwrap();
        assert_eq!(file.split_once('-').unwrap().0, number, "{file}");
        expected.push(format!("| [{number}]({file}) | {title} |"));
        let number: u32 = number.parse().unwrap();
        for missing in last + 1..number {
            assert!(below.contains(&format!("{missing:04}")), "{missing:04} is missing, and why");
        }
        assert_ne!(number, last, "{file} has the number of another");
        last = number;
    }
    assert_eq!(rows.lines().collect::<Vec<_>>(), expected);
}
