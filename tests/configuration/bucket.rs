//! `[artifacts]`: what is accepted, and every problem in words that show no secret.

use super::{LOCAL, load_text};

const STATE: &str = "[cache]\nstate_dir = \"state\"\n";
const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAX"), ("AWS_SECRET_ACCESS_KEY", "canary")];

fn with(keys: &str, environment: &[(&str, &str)]) -> Result<String, String> {
    let text = format!("{LOCAL}{STATE}[artifacts]\n{keys}");
    let artifacts = load_text(&text, environment)?.artifacts.unwrap();
    Ok(artifacts.s3.location.to_string())
}

#[test]
fn without_the_section_there_is_no_bucket() {
    assert!(load_text(LOCAL, &KEYS).unwrap().artifacts.is_none());
}

#[test]
fn a_bucket_needs_a_store_credentials_and_a_disk() {
    let store = "store = \"s3://abc/d\"\n";
    assert_eq!(with(store, &KEYS).as_deref(), Ok("s3://abc/d"));
    let file = format!("{store}credentials_path = \"/x\"\n");
    assert_eq!(with(&file, &[]).as_deref(), Ok("s3://abc/d"));
    let told = with(store, &KEYS[..1]).unwrap_err();
    assert!(told.contains("artifacts.credentials_path: is not set"), "{told}");
    assert!(with("region = \"x\"\n", &KEYS).unwrap_err().contains("artifacts.store"));
    let text = format!("{LOCAL}[artifacts]\n{store}");
    let told = load_text(&text, &KEYS).unwrap_err();
    assert!(
        told.contains("artifacts.store: needs a disk") && told.contains("cache.state_dir"),
        "{told}"
    );
    let text = format!("{LOCAL}{STATE}artifact_cache_bytes = \"0\"\n[artifacts]\n{store}");
    assert!(load_text(&text, &KEYS).unwrap_err().contains("artifact_cache_bytes"));
}

#[test]
fn what_is_malformed_is_named_without_secrets() {
    let store = "store = \"s3://abc\"\n";
    for (keys, key) in [
        ("store = \"abc\"\n".to_owned(), "artifacts.store"),
        ("store = \"https://abc.example.com\"\n".to_owned(), "artifacts.store"),
        ("store = \"s3://me:canary@abc\"\n".to_owned(), "artifacts.store"),
        ("store = \"s3://abc?x=canary\"\n".to_owned(), "artifacts.store"),
        ("store = \"s3://abc/../x\"\n".to_owned(), "artifacts.store"),
        (format!("{store}endpoint = \"https://me:canary@s3.example.com\"\n"), "artifacts.endpoint"),
        (format!("{store}endpoint = \"https://s3.example.com/abc\"\n"), "artifacts.endpoint"),
        (format!("{store}endpoint = \"s3.example.com\"\n"), "artifacts.endpoint"),
        (format!("{store}region = \"eu west\"\n"), "artifacts.region"),
        (format!("{store}path_style = \"maybe\"\n"), "artifacts.path_style"),
        (format!("{store}secret = \"x\"\n"), "artifacts"),
    ] {
        let told = with(&keys, &KEYS).unwrap_err();
        assert!(told.contains(key), "{keys}: {told}");
        let shown = told.replace("?x=canary", "");
        assert!(!shown.contains("canary"), "{keys}: {told}");
    }
}

#[test]
fn variables_stand_for_the_keys() {
    let environment = [
        ("EXTENSION_REGISTRY__ARTIFACTS__STORE", "s3://from-environment"),
        ("EXTENSION_REGISTRY__ARTIFACTS__PATH_STYLE", "true"),
    ];
    let text = format!("{LOCAL}{STATE}");
    let config = load_text(&text, &[&environment[..], &KEYS[..]].concat()).unwrap();
    let artifacts = config.artifacts.unwrap();
    assert!(artifacts.s3.path_style);
    assert_eq!(artifacts.s3.location.name(), "from-environment");
    assert!(!format!("{artifacts:?}").contains("canary"));
}
