//! Commands that the adapter sends, also from scripts: what a user of the server has to be allowed.

use crate::fleet_name::FleetName;

/// Every command. `select` is used for another database than 0 alone, `script|load` where a server
/// does not know a script.
pub const COMMANDS: [&str; 24] = [
    "auth",
    "del",
    "evalsha",
    "get",
    "hget",
    "hkeys",
    "hset",
    "info",
    "pexpire",
    "ping",
    "pttl",
    "script|load",
    "select",
    "set",
    "time",
    "xadd",
    "xdel",
    "xrange",
    "xread",
    "xrevrange",
    "xtrim",
    "zadd",
    "zremrangebyscore",
    "zrevrange",
];

/// Returns the command that creates a user with the rights that a fleet needs, and no others.
#[must_use]
pub fn acl(username: &str, name: &FleetName) -> String {
    let rights: Vec<String> = COMMANDS.iter().map(|command| format!("+{command}")).collect();
    let keys = name.key("*");
    let rights = rights.join(" ");
    format!("ACL SETUSER {username} on >PASSWORD resetkeys ~{keys} resetchannels -@all {rights}")
}
