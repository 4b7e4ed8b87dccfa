//! Errors of the client library and of servers, as reasons and plain messages.

use std::time::Duration;

use redis::{ErrorKind, RedisError};
use registry_fleet::failure::{Away, AwayReason};

/// Maximum length of what a server says, in characters.
const DETAIL_MAX: usize = 200;

/// Codes of servers, with their reasons and messages.
const CODES: [(&str, AwayReason, &str); 18] = [
    ("LOADING", AwayReason::Loading, "the server loads its data"),
    ("READONLY", AwayReason::ReadOnly, REPLICA),
    ("MASTERDOWN", AwayReason::ReadOnly, REPLICA),
    // Ends a wait for the log at a primary that becomes a replica.
    ("UNBLOCKED", AwayReason::ReadOnly, REPLICA),
    (
        "NOREPLICAS",
        AwayReason::ReadOnly,
        "the server takes no writes because too few of its replicas follow it (min-replicas-to-write)",
    ),
    ("OOM", AwayReason::Full, "the server has no memory left for writes; raise its maxmemory"),
    (
        "MISCONF",
        AwayReason::Full,
        "the server takes no writes because it cannot save to its disk; free room on that disk",
    ),
    ("BUSY", AwayReason::Late, "the server is busy with a script"),
    ("MOVED", AwayReason::Refused, CLUSTER),
    ("ASK", AwayReason::Refused, CLUSTER),
    ("CROSSSLOT", AwayReason::Refused, CLUSTER),
    ("CLUSTERDOWN", AwayReason::Refused, CLUSTER),
    ("TRYAGAIN", AwayReason::Refused, CLUSTER),
    ("WRONGPASS", AwayReason::Refused, CREDENTIALS),
    ("NOAUTH", AwayReason::Refused, CREDENTIALS),
    ("DENIED", AwayReason::Refused, "the server is in protected mode and wants a password"),
    (
        "NOPERM",
        AwayReason::Refused,
        "the user lacks a right; `extension-registry doctor` shows the rights that are needed",
    ),
    (
        "NOSCRIPT",
        AwayReason::Refused,
        "the server forgot a script while it was called; the next call loads it",
    ),
];

pub(crate) const REPLICA: &str = "the server is a replica of another one and takes no writes; shared.redis_url or the sentinels have to \
     lead to its primary";
pub(crate) const CLUSTER: &str =
    "the server is part of a cluster, which is not supported; name a server without cluster mode";
const NO_PASSWORD: &str = "the server has no password, but shared.password_path is set; remove that key, or set a password \
     at the server";
/// Message for an answer that is not the expected one.
pub(crate) const UNKNOWN_FORM: &str =
    "the server's answer has an unknown form; it speaks TLS (rediss://), or is no Redis or Valkey";
const CREDENTIALS: &str =
    "the server refuses the credentials; check shared.username and the file shared.password_path";

/// Returns the failure of a call or a connection.
pub(crate) fn away_of(error: &RedisError) -> Away {
    let said = error.detail().unwrap_or_default();
    // Redis 6 hides the code of a call in a script behind `ERR Error running script …: -CODE …`.
    let inner = said.split_once(": -").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    let is_right =
        |text: &str| text.contains("can't run this command") || text.contains("ACL failure");
    let code = error.code().filter(|code| *code != "ERR").or(inner);
    // Servers name the right that a script lacks in words alone.
    let code = if is_right(said) { Some("NOPERM") } else { code };
    let known = CODES.iter().find(|(known, ..)| Some(*known) == code);
    if let Some((code, reason, what)) = known {
        return Away::new(*reason, format!("{what} ({code})"));
    }
    if said.contains("without any password configured") {
        return Away::new(AwayReason::Refused, NO_PASSWORD);
    }
    match error.kind() {
        _ if error.is_timeout() => Away::new(AwayReason::Late, "the server does not answer"),
        _ if error.is_io_error() || error.is_connection_dropped() => {
            Away::new(AwayReason::Unreachable, plain(&error.to_string()))
        }
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => {
            Away::new(AwayReason::Refused, UNKNOWN_FORM)
        }
        _ => Away::new(AwayReason::Refused, plain(&error.to_string())),
    }
}

/// Returns a text of a server without control characters, cut to a bounded length.
pub(crate) fn plain(said: &str) -> String {
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_MAX).collect()
}

/// Returns the failure of a call without an answer within its time.
pub(crate) fn late(limit: Duration) -> Away {
    let limit = limit.as_millis();
    Away::new(AwayReason::Late, format!("the server does not answer within {limit} ms"))
}
