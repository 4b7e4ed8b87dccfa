//! Proxies that the environment names are not used.

use registry_testing::canary::secret_for;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};

use super::addresses::Canary;
use crate::support::program::{Running, program};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proxy_of_the_environment_is_asked() {
    let canary = Canary::listen();
    let proxy = canary.at("http://127.0.0.1:PORT");
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY"];
    let names: Vec<String> =
        names.iter().flat_map(|name| [(*name).to_owned(), name.to_lowercase()]).collect();
    let environment: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), proxy.as_str())).collect();
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    let fake = FakeGitea::start(state).await;
    let dir = tempfile::tempdir().unwrap();
    let token = secret_for(fake.url().as_str(), "<read>");
    std::fs::write(dir.path().join("token"), token).unwrap();
    // A name that only a proxy could know, beside a server that is asked in truth.
    let config = format!(
        "[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\ntoken_path = \"token\"\n\
         [oci]\nregistry = \"registry.invalid\"\nnamespace = \"n\"\ntimeout_seconds = 1\n",
        fake.url()
    );
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let running = Running::start_with(dir.path(), &["--host", "127.0.0.1"], &environment);
    assert_eq!(running.get("/extensions/provider/x/1.0.0").await.body, b"bytes");
    let unknown = running.get("/extensions/provider/y?source=oci").await;
    assert!(unknown.status.is_server_error(), "{unknown:?}");
    let port = running.address.port().to_string();
    for arguments in [&["doctor"][..], &["healthcheck", "--port", &port]] {
        let mut command = program(dir.path());
        command.args(arguments).envs(environment.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    }
    assert!(!canary.heard());
}
