//! Pins that somebody else wrote, and pins while the secret is replaced.

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_fleet::failure::AwayReason;
use registry_fleet::pins::{PinKey, PinLedger as _, SharedPin};
use registry_testing::ids::id;
use registry_valkey::secrets::FleetSecrets;

use crate::engine::rig::{Replica, secrets, servers, settings};

const HASH: &str = "er:{a}:pins:gitea:provider/aws";

fn key(file_name: &str) -> PinKey {
    PinKey {
        backend: BackendId::GITEA,
        extension: id("provider/aws"),
        version: "1.0.0".to_owned(),
        file_name: file_name.to_owned(),
    }
}

fn pin(bytes: &[u8], confirmed: bool) -> SharedPin {
    SharedPin { digest: Digest::sha256(bytes), size: bytes.len() as u64, confirmed }
}

#[tokio::test]
async fn a_forged_pin_gives_way_and_a_pin_cannot_be_moved_to_another_file() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let ours = pin(b"ours", false);
        assert_eq!(replica.pins.pin(&key("a"), &ours).await.unwrap(), ours);
        let field = server.command(&["HKEYS", HASH]).await.lines().last().unwrap().to_owned();
        let value = server.command(&["HGET", HASH, &field]).await;
        let value = value.lines().last().unwrap().to_owned();
        let other = pin(b"other", false);
        assert_eq!(replica.pins.pin(&key("b"), &other).await.unwrap(), other);
        let fields = server.command(&["HKEYS", HASH]).await;
        let is_second = |line: &&str| line.len() == field.len() && *line != field;
        let second = fields.lines().rfind(is_second).unwrap().to_owned();
        server.command(&["HSET", HASH, &second, &value]).await;
        assert_eq!(replica.pins.pin(&key("b"), &other).await.unwrap(), other, "moved");
        let certain = value.replacen('p', "c", 1);
        let larger = value.replacen(" 4 ", " 5 ", 1);
        let long = "c".repeat(100_000);
        for forged in
            ["", " ", "x", "c", "c 4 sha256:0", &certain, &larger, &value.to_uppercase(), &long]
        {
            server.command(&["HSET", HASH, &field, forged]).await;
            assert_eq!(replica.pins.pin(&key("a"), &ours).await.unwrap(), ours, "{forged}");
        }
        let foreign = Replica::new(settings(&server, "a"), None, secrets("f"));
        foreign.connected().await;
        foreign.pins.pin(&key("a"), &pin(b"theirs", true)).await.unwrap();
        assert_eq!(replica.pins.pin(&key("a"), &ours).await.unwrap(), ours, "another secret");
    }
}

#[tokio::test]
async fn a_key_of_another_type_fails_its_own_calls_alone() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        server.command(&["SET", HASH, "words"]).await;
        let away = replica.pins.pin(&key("a"), &pin(b"ours", false)).await.unwrap_err();
        assert_eq!(away.reason, AwayReason::Refused, "{away}");
        replica.take().await.unwrap();
        let apart = PinKey { backend: BackendId::OCI, ..key("a") };
        replica.pins.pin(&apart, &pin(b"ours", false)).await.unwrap();
    }
}

#[tokio::test]
async fn pins_stand_while_the_secret_is_replaced() {
    let (old, new) = ("o".repeat(32), "n".repeat(32));
    let both = |first: &str, second: &str| {
        FleetSecrets::parse(&format!("{first}\n{second}").into()).unwrap()
    };
    for server in servers("").await {
        let replica = Replica::new(settings(&server, "a"), None, secrets("o"));
        replica.connected().await;
        let first = pin(b"first", true);
        replica.pins.pin(&key("a"), &first).await.unwrap();
        for step in [both(&old, &new), both(&new, &old)] {
            replica.link.replace_secrets(step);
            let standing = replica.pins.pin(&key("a"), &pin(b"second", false)).await.unwrap();
            assert_eq!(standing, first);
        }
        // Without the old secret, the pin is what the next replica says that has it confirmed.
        replica.link.replace_secrets(secrets("n"));
        let second = pin(b"second", false);
        assert_eq!(replica.pins.pin(&key("a"), &second).await.unwrap(), second);
        assert_eq!(replica.pins.pin(&key("a"), &first).await.unwrap(), first);
    }
}
