//! What a server says about itself in `INFO`.

use registry_fleet::failure::{Away, AwayReason};

use crate::failure::{CLUSTER, REPLICA, plain};

/// Oldest version with everything that is used.
const VERSION_MIN: (u32, u32) = (6, 2);

/// Facts of a connected server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerFacts {
    /// Product and version, such as `Valkey 9.1.2`.
    pub(crate) server: String,
    /// Version of the protocol's commands, as Redis counts them.
    version: (u32, u32),
    is_cluster: bool,
    is_primary: bool,
    is_loading: bool,
    /// Policy of eviction, if the server has a bound of memory and removes keys at it.
    evicts: Option<String>,
}

impl ServerFacts {
    /// Parses the answer to `INFO`. What is missing has the value that is refused, except for memory,
    /// which managed servers may hide.
    pub(crate) fn parse(info: &str) -> Self {
        let value = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let redis = value("redis_version").unwrap_or_default();
        let server = match value("valkey_version") {
            Some(version) => format!("Valkey {version}"),
            None => format!("Redis {redis}"),
        };
        let policy = value("maxmemory_policy").filter(|policy| *policy != "noeviction");
        let is_bounded = value("maxmemory").is_some_and(|bytes| bytes != "0");
        Self {
            server: plain(&server),
            version: version_of(redis),
            is_cluster: value("cluster_enabled") == Some("1")
                || value("redis_mode") == Some("cluster"),
            is_primary: value("role") == Some("master"),
            is_loading: value("loading") == Some("1"),
            evicts: policy.filter(|_| is_bounded).map(plain),
        }
    }

    /// Fails if the server cannot be used, with the reason.
    pub(crate) fn check(&self) -> Result<(), Away> {
        let (major, minor) = VERSION_MIN;
        if self.version < VERSION_MIN {
            let what = format!(
                "{} is too old: Redis {major}.{minor} or later, or Valkey, is needed",
                self.server
            );
            return Err(Away::new(AwayReason::Refused, what));
        }
        if self.is_cluster {
            return Err(Away::new(AwayReason::Refused, CLUSTER));
        }
        if self.is_loading {
            return Err(Away::new(AwayReason::Loading, "the server loads its data"));
        }
        if !self.is_primary {
            return Err(Away::new(AwayReason::ReadOnly, REPLICA));
        }
        Ok(())
    }

    /// Returns a warning if the server may remove keys that are still needed.
    pub(crate) fn warning(&self) -> Option<String> {
        let policy = self.evicts.as_ref()?;
        Some(format!(
            "the server removes keys when its memory is full (maxmemory-policy {policy}); set noeviction"
        ))
    }
}

fn version_of(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n# Memory\r\n\
        maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n# Persistence\r\nloading:0\r\n\
        # Replication\r\nrole:master\r\n# Cluster\r\ncluster_enabled:0\r\n";

    #[test]
    fn what_a_server_is_decides_whether_it_can_be_used() {
        let good = ServerFacts::parse(GOOD);
        assert_eq!((good.server.as_str(), good.check()), ("Redis 7.0.15", Ok(())));
        let valkey = GOOD.replace("redis_mode", "valkey_version:9.1.2\r\nredis_mode");
        assert_eq!(ServerFacts::parse(&valkey).server, "Valkey 9.1.2");
        for (from, to, reason, word) in [
            ("7.0.15", "5.0.14", AwayReason::Refused, "Redis 5.0.14 is too old"),
            ("7.0.15", "6.0.20", AwayReason::Refused, "Redis 6.0.20 is too old"),
            ("7.0.15", "x", AwayReason::Refused, "too old"),
            ("7.0.15", "", AwayReason::Refused, "too old"),
            ("cluster_enabled:0", "cluster_enabled:1", AwayReason::Refused, "cluster"),
            ("standalone", "cluster", AwayReason::Refused, "cluster"),
            ("role:master", "role:slave", AwayReason::ReadOnly, "replica"),
            ("role:master", "", AwayReason::ReadOnly, "replica"),
            ("loading:0", "loading:1", AwayReason::Loading, "loads"),
        ] {
            let away = ServerFacts::parse(&GOOD.replace(from, to)).check().unwrap_err();
            assert!(away.reason == reason && away.detail.contains(word), "{from} {to}: {away}");
        }
        for newer in ["6.2.0", "7.2.4", "10.0.0"] {
            assert_eq!(ServerFacts::parse(&GOOD.replace("7.0.15", newer)).check(), Ok(()));
        }
        assert!(ServerFacts::parse("").check().is_err());
    }

    #[test]
    fn a_policy_matters_only_with_a_bound_of_memory() {
        assert_eq!(ServerFacts::parse(GOOD).warning(), None);
        let bounded = GOOD.replace("maxmemory:0", "maxmemory:1000000");
        assert!(ServerFacts::parse(&bounded).warning().unwrap().contains("allkeys-lru"));
        let kept = bounded.replace("allkeys-lru", "noeviction");
        assert_eq!(ServerFacts::parse(&kept).warning(), None);
    }
}
