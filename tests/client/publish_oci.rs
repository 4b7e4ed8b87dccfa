//! `publish` to registries: real ones, and one that misbehaves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use registry_core::models::digest::Digest;
use registry_testing::canary::secret_for;
use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen, Sending};
use registry_testing::token_server::{TokenServer, USER};
use tokio::task::spawn_blocking;

use crate::client::publish::{at_epoch, extension};
use crate::client::push_registry::{Act, PushRegistry, error, silence};
use crate::client::rig::{Ran, User};

/// [`USER`], as `htpasswd -B` writes it.
const USERS: &str = "reader:$2y$04$sa1JqWPSht04NXWnrI4oPuIL1IwZAqTyFnML6a1d0kwrtJzNdAvLe\n";

fn user() -> User {
    let user = User::of("");
    extension(&user, "1.0.0", "x");
    user
}

/// Publishes, and returns how it ended. Servers of the test run meanwhile.
async fn publish(user: &User, target: &str, more: &[&str]) -> Ran {
    let arguments = [&["publish", "ext", "--to", target], more].concat();
    let mut command = at_epoch(user, &arguments);
    command.env("PATH", format!("{}:/usr/bin:/bin", user.project().display()));
    spawn_blocking(move || Ran::of(&mut command)).await.unwrap()
}

/// Writes Docker's configuration into the home of a user.
fn docker_config(user: &User, text: &str) {
    fs::create_dir_all(user.home(".docker")).unwrap();
    fs::write(user.home(".docker/config.json"), text).unwrap();
}

async fn digest_at(registry: &DockerRegistry, tag: &str, password: Option<&str>) -> Option<String> {
    let url = format!("{}/v2/team/demo-provider/manifests/{tag}", registry.url());
    let client = registry_testing::http::client_builder().build().unwrap();
    let request = client.get(url).header("accept", "application/vnd.oci.image.manifest.v1+json");
    let request = match password {
        Some(pair) => {
            let (name, word) = pair.split_once(':').unwrap();
            request.basic_auth(name, Some(word))
        }
        None => request,
    };
    let response = request.send().await.unwrap();
    let is_there = response.status() == 200;
    let bytes = response.bytes().await.unwrap();
    is_there.then(|| Digest::sha256(&bytes).to_string())
}

#[tokio::test]
async fn a_real_registry_takes_a_version_once() {
    let Some(registry) = DockerRegistry::start(Access::Open).await else { return };
    let (user, target) = (user(), format!("oci+http://{}/team", registry.authority()));
    let planned = publish(&user, &target, &["--dry-run"]).await;
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    assert!(planned.stderr.contains("would upload demo-1.0.0.tar.gz"), "{}", planned.stderr);
    assert_eq!(digest_at(&registry, "1.0.0", None).await, None);
    let first = publish(&user, &target, &["-o", "json"]).await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    let manifest = first.rows()[0]["manifest"].as_str().unwrap().to_owned();
    assert_eq!(digest_at(&registry, "1.0.0", None).await, Some(manifest.clone()));
    // The manifest is the same in a layout.
    let local = publish(&user, "local:out", &["-o", "json"]).await;
    assert_eq!(local.rows()[0]["manifest"], manifest);
    let again = publish(&user, &target, &[]).await;
    assert!(again.code == 0 && again.stderr.contains("already published"), "{}", again.stderr);
    extension(&user, "1.0.0", "changed");
    let refused = publish(&user, &target, &[]).await;
    assert!(refused.code == 8 && refused.stderr.contains(&manifest), "{}", refused.stderr);
    assert_eq!(publish(&user, &target, &["--replace"]).await.code, 0);
    extension(&user, "1.1.0+b5", "x");
    assert_eq!(publish(&user, &target, &[]).await.code, 0);
    assert!(digest_at(&registry, "1.1.0_b5", None).await.is_some());
}

#[tokio::test]
async fn passwords_come_from_files_and_helpers() {
    let Some(registry) = DockerRegistry::start(Access::Passwords(USERS)).await else { return };
    let (user, target) = (user(), format!("oci+http://{}/team", registry.authority()));
    let anonymous = publish(&user, &target, &[]).await;
    assert!(
        anonymous.code == 4 && anonymous.stderr.contains("docker login"),
        "{}",
        anonymous.stderr
    );
    let host = registry.authority();
    docker_config(
        &user,
        &format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, STANDARD.encode("reader:wrong")),
    );
    let wrong = publish(&user, &target, &[]).await;
    assert!(wrong.code == 4 && wrong.stderr.contains("the user reader"), "{}", wrong.stderr);
    docker_config(
        &user,
        &format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, STANDARD.encode(USER)),
    );
    let stored = publish(&user, &target, &[]).await;
    assert_eq!(stored.code, 0, "{}", stored.stderr);
    assert!(digest_at(&registry, "1.0.0", Some(USER)).await.is_some());
    // A helper is asked for the registry, and a file with a token wins.
    docker_config(&user, &format!(r#"{{"credHelpers":{{"{host}":"test"}}}}"#));
    let helper = user.project().join("docker-credential-test");
    let (name, password) = USER.split_once(':').unwrap();
    let answer = format!(r#"{{"ServerURL":"{host}","Username":"{name}","Secret":"{password}"}}"#);
    let script =
        format!("#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = {host} ] && echo '{answer}'\n");
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    extension(&user, "1.1.0", "x");
    let helped = publish(&user, &target, &[]).await;
    assert_eq!(helped.code, 0, "{}", helped.stderr);
    fs::write(&helper, "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n")
        .unwrap();
    assert_eq!(publish(&user, &target, &[]).await.code, 4);
    fs::write(&helper, "#!/bin/sh\necho locked; exit 1\n").unwrap();
    let locked = publish(&user, &target, &[]).await;
    assert!(locked.code == 4 && locked.stderr.contains("locked"), "{}", locked.stderr);
    fs::write(user.home("token"), USER).unwrap();
    let token_file = user.home("token").display().to_string();
    extension(&user, "1.2.0", "x");
    let told = publish(&user, &target, &["--token-file", &token_file]).await;
    assert_eq!(told.code, 0, "{}", told.stderr);
}

#[tokio::test]
async fn tokens_come_from_servers_that_the_user_trusts() {
    let tokens = TokenServer::start(0).await;
    let access =
        Access::Tokens { realm: &tokens.realm(), certificate: &tokens.signer.certificate_pem };
    let Some(registry) = DockerRegistry::start(access).await else { return };
    let (user, target) = (user(), format!("oci+http://{}/team", registry.authority()));
    let host = registry.authority();
    docker_config(
        &user,
        &format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, STANDARD.encode(USER)),
    );
    let refused = publish(&user, &target, &[]).await;
    assert!(refused.code == 4 && refused.stderr.contains("--token-host"), "{}", refused.stderr);
    assert_eq!(tokens.server.seen().len(), 0, "no credentials are sent");
    let told = publish(&user, &target, &["--token-host", "127.0.0.1"]).await;
    assert_eq!(told.code, 0, "{}", told.stderr);
    let asked = tokens.server.take();
    assert_eq!(asked.len(), 1, "one token for everything: {asked:?}");
    assert!(asked[0].contains("repository%3Ateam%2Fdemo-provider%3Apull%2Cpush"), "{asked:?}");
}

#[tokio::test]
async fn places_of_uploads_are_of_every_form() {
    let storage = PushRegistry::plain().await;
    let elsewhere = storage.server.url();
    let user = user();
    fs::create_dir_all(user.home("")).unwrap();
    for form in ["relative", "absolute", "no query", "elsewhere"] {
        let own = std::sync::Arc::new(Mutex::new(String::new()));
        let (url, other) = (std::sync::Arc::clone(&own), elsewhere.clone());
        let registry = PushRegistry::start(move |seen, _| {
            if seen.method != "POST" {
                return Act::Answer;
            }
            let path = seen.path();
            let place = match form {
                "relative" => "1?state=x".to_owned(),
                "absolute" => format!("{}{path}1?a=%2F&b", url.lock()),
                "no query" => format!("{path}1"),
                _ => format!("{other}{path}1"),
            };
            Act::Instead(Reply::new(202).header("location", place))
        })
        .await;
        *own.lock() = registry.server.url();
        fs::write(user.home("token"), secret_for(&registry.server.url(), "push")).unwrap();
        let token_file = user.home("token").display().to_string();
        let ran = publish(&user, &registry.target(), &["--token-file", &token_file]).await;
        assert_eq!(ran.code, 0, "{form}: {}", ran.stderr);
        if form == "elsewhere" {
            // The canary of the token ends the tests if the other host gets it.
            assert_eq!(storage.server.count("PUT"), 3);
        } else {
            registry.assert_whole();
        }
        let seen = registry.server.seen();
        let authorized = |seen: &Seen| seen.header("authorization").is_some();
        assert!(seen.iter().all(authorized), "{form}");
    }
}

#[tokio::test]
async fn credentials_stay_with_the_registry() {
    let other = ScriptedRegistry::start(|_| Reply::new(404)).await;
    let place = format!("{}/x", other.url());
    let registry = PushRegistry::start(move |seen, _| match seen.method.as_str() {
        "GET" | "HEAD" => Act::Instead(Reply::new(307).header("location", &place)),
        _ => Act::Answer,
    })
    .await;
    let user = user();
    fs::create_dir_all(user.home("")).unwrap();
    fs::write(user.home("token"), secret_for(&registry.server.url(), "push")).unwrap();
    let token_file = user.home("token").display().to_string();
    let ran = publish(&user, &registry.target(), &["--token-file", &token_file]).await;
    assert_ne!(ran.code, 0);
    let seen = other.seen();
    assert!(!seen.is_empty() && seen.iter().all(|one| one.header("authorization").is_none()));
    let plain =
        publish(&user, "oci+http://registry.example.com/team", &["--token-file", &token_file])
            .await;
    assert!(plain.code == 2 && plain.stderr.contains("plain HTTP"), "{}", plain.stderr);
}

#[tokio::test]
async fn each_refusal_has_its_exit_code() {
    let page = || Reply::new(200).header("content-type", "text/html").bytes("<html>");
    let lost = || Reply::new(404).header("content-type", "text/html").bytes("<html>");
    let cases: Vec<(&str, Reply, i32, &str)> = vec![
        ("GET", error(401, "UNAUTHORIZED"), 4, "UNAUTHORIZED"),
        ("GET", error(403, "DENIED"), 4, "docker login"),
        ("POST", error(403, "DENIED"), 4, "DENIED: told by the test"),
        ("POST", error(405, "UNSUPPORTED"), 1, "read-only"),
        ("POST", error(500, "UNKNOWN"), 1, "UNKNOWN"),
        ("PUT", error(413, "SIZE_INVALID"), 1, "SIZE_INVALID"),
        ("PUT", error(507, "UNKNOWN"), 1, "507"),
        ("PUT", error(400, "DIGEST_INVALID"), 1, "DIGEST_INVALID"),
        ("PUT", Reply::new(307).header("location", "http://127.0.0.1:1/"), 2, "redirect"),
        ("GET", page(), 2, "is no OCI registry"),
        ("GET", lost(), 2, "is no OCI registry"),
        ("POST", page(), 2, "is no OCI registry"),
        ("POST", Reply::new(202), 2, "no place for an upload"),
        ("PUT", Reply::new(201).header("docker-content-digest", "sha256:00"), 6, "sha256:00"),
    ];
    for (method, reply, code, part) in cases {
        let shown = format!("{method} {}", reply.status);
        let registry = PushRegistry::start(move |seen, _| {
            if seen.method == method { Act::Instead(reply.clone()) } else { Act::Answer }
        })
        .await;
        let ran = publish(&user(), &registry.target(), &[]).await;
        assert_eq!(ran.code, code, "{shown}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{shown}: {}", ran.stderr);
        assert!(registry.pushed().tags.is_empty(), "{shown}");
    }
}

/// Requests of one run.
async fn count_requests(user: &User) -> usize {
    let registry = PushRegistry::plain().await;
    assert_eq!(publish(user, &registry.target(), &[]).await.code, 0);
    registry.server.seen().len()
}

#[tokio::test]
async fn passing_failures_at_every_request_are_overcome() {
    let user = user();
    let count = count_requests(&user).await;
    assert!(count >= 12, "{count} requests");
    for at in 1..=count {
        for form in ["429", "503", "cut"] {
            let registry = PushRegistry::start(move |seen, number| match form {
                _ if number != at => Act::Answer,
                "429" => Act::Instead(error(429, "TOOMANYREQUESTS").header("retry-after", "0")),
                "503" => Act::Instead(error(503, "UNAVAILABLE")),
                // The effect is there, and the answer is lost.
                _ if seen.method == "HEAD" => Act::Answer,
                _ => Act::After(
                    Reply::new(200).sending(Sending::Cut { announced: 100, bytes: "x".into() }),
                ),
            })
            .await;
            let ran = publish(&user, &registry.target(), &[]).await;
            assert_eq!(ran.code, 0, "{form} at {at}: {}", ran.stderr);
            registry.assert_whole();
            assert_eq!(registry.pushed().tags.len(), 1, "{form} at {at}");
        }
    }
}

#[tokio::test]
async fn a_kill_at_every_request_leaves_nothing_or_all_and_the_next_run_ends_well() {
    let user = user();
    let count = count_requests(&user).await;
    let mut kills = 0;
    for at in 1..=count {
        for has_effect in [false, true] {
            let (sender, reached) = mpsc::channel();
            let sender = Mutex::new(sender);
            let registry = PushRegistry::start(move |_, number| {
                if number != at {
                    return Act::Answer;
                }
                sender.lock().send(()).unwrap();
                if has_effect { Act::After(silence()) } else { Act::Instead(silence()) }
            })
            .await;
            let mut command: Command =
                at_epoch(&user, &["publish", "ext", "--to", &registry.target(), "--quiet"]);
            let mut child = command.stderr(Stdio::null()).spawn().unwrap();
            spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success());
            registry.assert_whole();
            let ran = publish(&user, &registry.target(), &[]).await;
            assert_eq!(ran.code, 0, "after a kill at {at}: {}", ran.stderr);
            registry.assert_whole();
            assert_eq!(registry.pushed().tags.len(), 1);
            kills += 1;
        }
    }
    println!("killed {kills} times, at each of {count} requests, before and after its effect");
}

#[tokio::test]
async fn of_two_publishers_the_second_is_told() {
    let user = user();
    let count = count_requests(&user).await;
    // Another publisher puts its manifest while the blobs are uploaded, or at the same time.
    for (at, code) in [(count - 4, 8), (count - 1, 8)] {
        let other = r#"{"schemaVersion":2,"layers":[],"config":{}}"#;
        let registry = PushRegistry::start(move |seen, number| {
            if number > at && seen.method == "GET" {
                return Act::Instead(
                    Reply::json(other).header("docker-content-digest", "sha256:aa"),
                );
            }
            Act::Answer
        })
        .await;
        let ran = publish(&user, &registry.target(), &[]).await;
        assert_eq!(ran.code, code, "{at}: {}", ran.stderr);
        assert!(ran.stderr.contains("sha256:aa"), "{at}: {}", ran.stderr);
    }
}
