//! The fake answers as the recorded server did, so that tests against it mean something.

use registry_testing::fake_gitea::recorded::{
    Exchange, FORGEJO_9, GITEA, GITEA_1_22, Recording, SIGN_IN, SUB_PATH,
};
use registry_testing::fake_gitea::{Ask, FakeGitea, Reply, State};
use serde_json::Value;

/// Recorded exchanges that the fake does not play, and why.
const UNCOVERED: [(&str, &str); 2] = [
    ("source-archive-head", "source archives are no extensions"),
    ("org-packages", "packages are not read"),
];

/// Headers that the client acts on, or that say what an answer is.
const HEADERS: [&str; 7] =
    ["Content-Type", "X-Total-Count", "Link", "Location", "Content-Range", "Accept-Ranges", "Etag"];

#[tokio::test]
async fn the_fake_answers_as_the_recorded_server() {
    assert_eq!(compared(&GITEA).await, GITEA.len() - UNCOVERED.len());
}

/// Eleven exchanges of each are about another organization.
#[tokio::test]
async fn the_fake_answers_as_older_gitea_and_forgejo() {
    for recording in [&GITEA_1_22, &FORGEJO_9] {
        assert_eq!(compared(recording).await, 88 - 11 - UNCOVERED.len());
        let mut private = State::recorded_privately(recording);
        let fake = FakeGitea::start(private).await;
        let about = |front: &str| {
            let front = front.to_owned();
            recording.iter().filter(move |one| one.id().starts_with(&front))
        };
        about("field-").for_each(|one| compare(one, &replay(&fake, one)));
        private = State::recorded_privately(recording);
        private.repository_mut("locked_prov").refused = true;
        let fake = FakeGitea::start(private).await;
        about("refused-").for_each(|one| compare(one, &replay(&fake, one)));
        assert_eq!((about("field-").count(), about("refused-").count()), (7, 4));
    }
}

/// How many exchanges about the main organization the fake answers as they were recorded.
async fn compared(recording: &'static Recording) -> usize {
    let fake = FakeGitea::start(State::recorded_as(recording)).await;
    let covered = recording.iter().filter(|exchange| {
        !UNCOVERED.iter().any(|(id, _)| *id == exchange.id())
            && !exchange.target().contains("/field-org/")
    });
    covered.map(|exchange| compare(exchange, &replay(&fake, exchange))).count()
}

#[tokio::test]
async fn the_fake_answers_so_under_a_sub_path() {
    let mut state = State::recorded();
    "/git".clone_into(&mut state.sub_path);
    let fake = FakeGitea::start(state).await;
    for exchange in SUB_PATH.iter() {
        compare(exchange, &replay(&fake, exchange));
    }
}

#[tokio::test]
async fn the_fake_answers_so_with_sign_in_required() {
    let mut state = State::recorded();
    state.sign_in_required = true;
    let fake = FakeGitea::start(state).await;
    for exchange in SIGN_IN.iter() {
        compare(exchange, &replay(&fake, exchange));
    }
}

fn replay(fake: &FakeGitea, exchange: &Exchange) -> Reply {
    fake.answer(&Ask::new(exchange.method(), exchange.target(), exchange.request_headers()))
}

fn compare(exchange: &Exchange, reply: &Reply) {
    let id = exchange.id();
    assert_eq!(reply.status, exchange.status(), "{id}");
    for name in HEADERS {
        let ours =
            reply.headers.iter().find(|(header, _)| *header == name).map(|(_, v)| v.as_str());
        let theirs = exchange.header(name);
        // The feed's other pages were not recorded, so its total cannot be the same.
        if id == "feed" && name == "X-Total-Count" {
            assert_eq!(ours.is_some(), theirs.is_some(), "{id}: {name}");
        } else {
            assert_eq!(ours, theirs, "{id}: {name}");
        }
    }
    if exchange.header("Content-Type").is_some_and(|kind| kind.contains("json")) {
        let ours: Value = serde_json::from_slice(&reply.body).unwrap();
        same_shape(&ours, &exchange.json(), id);
    } else if exchange.method() == "GET" && exchange.status() < 300 {
        assert_eq!(reply.body, exchange.body(), "{id}");
    }
}

/// The same fields, of the same types, all the way down; as many rows.
fn same_shape(ours: &Value, theirs: &Value, at: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys = |map: &serde_json::Map<String, Value>| {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.sort();
                keys
            };
            assert_eq!(keys(ours), keys(theirs), "{at}");
            for (key, value) in ours {
                same_shape(value, &theirs[key], &format!("{at}.{key}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{at}");
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                same_shape(ours, theirs, &format!("{at}[{index}]"));
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(ours),
            std::mem::discriminant(theirs),
            "{at}: {ours} and {theirs}"
        ),
    }
}
