//! A primary, its replica, and three sentinels that watch both, each behind a proxy.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::engine_proxy::EngineProxy;
use crate::engine_server::{EngineServer, Product, data_options};

/// Name under which the sentinels watch the primary.
pub const SENTINEL_NAME: &str = "registry";
/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Servers with sentinels. Ends with its value.
pub struct WatchedServers {
    /// The first primary, then its replica.
    pub servers: [EngineServer; 2],
    pub sentinels: [EngineServer; 3],
}

impl WatchedServers {
    /// Starts them, and waits until a failover could succeed; `None`, and why in the output, where the
    /// product is not installed. A primary counts as down after a second.
    pub async fn start(product: Product) -> Option<Self> {
        let primary = data_server(product, String::new()).await?;
        let address = primary.proxy.address;
        let options = format!("--replicaof {} {}", address.ip(), address.port());
        let replica = data_server(product, options).await?;
        is_synchronized(&replica).await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(sentinel(product, &primary.proxy).await?);
        }
        let sentinels = sentinels.try_into().ok()?;
        let watched = Self { servers: [primary, replica], sentinels };
        watched.are_ready().await;
        Some(watched)
    }

    /// The keys of `[shared]` that lead to the primary. The first sentinel is asked through this proxy.
    pub fn keys(&self, first: &EngineProxy) -> String {
        let [_, second, third] = self.sentinels.each_ref().map(|sentinel| sentinel.proxy.address);
        let first = first.address;
        format!(
            "redis_url = \"redis://unused.invalid/0\"\n\
             sentinels = [\"{first}\", \"{second}\", \"{third}\"]\n\
             sentinel_name = \"{SENTINEL_NAME}\"\n"
        )
    }

    /// Waits until every sentinel names a server as the primary, and it is one.
    pub async fn all_name(&self, place: usize) {
        let port = self.servers[place].proxy.address.port().to_string();
        for sentinel in &self.sentinels {
            until(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SENTINEL_NAME], &port).await;
        }
        until(&self.servers[place], &["INFO", "replication"], "role:master").await;
    }

    /// Waits until a server is a replica with the data of the primary.
    pub async fn is_replica(&self, place: usize) {
        is_synchronized(&self.servers[place]).await;
    }

    /// Waits until the replica has every write of the primary.
    pub async fn are_equal(&self) {
        let [primary, replica] = &self.servers;
        catches_up(replica, primary).await;
    }

    /// Waits until every sentinel knows the replica and both other sentinels.
    async fn are_ready(&self) {
        for sentinel in &self.sentinels {
            let known = ["num-slaves\r\n$1\r\n1", "num-other-sentinels\r\n$1\r\n2"];
            for part in known {
                until(sentinel, &["SENTINEL", "MASTER", SENTINEL_NAME], part).await;
            }
        }
    }
}

/// Waits until a replica has every write of its primary.
pub async fn catches_up(replica: &EngineServer, primary: &EngineServer) {
    is_synchronized(replica).await;
    let written = offset(primary, "master_repl_offset:").await;
    let begun = Instant::now();
    while offset(replica, "slave_repl_offset:").await < written {
        assert!(begun.elapsed() < PATIENCE, "{written} does not come");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn offset(server: &EngineServer, name: &str) -> u64 {
    let told = server.command(&["INFO", "replication"]).await;
    let offset = told.lines().find_map(|line| line.strip_prefix(name));
    offset.unwrap_or_else(|| panic!("no {name} in {told}")).parse().unwrap()
}

async fn is_synchronized(replica: &EngineServer) {
    until(replica, &["INFO", "replication"], "master_link_status:up").await;
}

/// Waits until the answer to a command has a part.
async fn until(server: &EngineServer, command: &[&str], part: &str) {
    let begun = Instant::now();
    loop {
        let answer = server.command(command).await;
        if answer.contains(part) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{command:?} has no {part:?}: {answer}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Starts a server that sentinels and replicas reach through its proxy.
async fn data_server(product: Product, options: String) -> Option<EngineServer> {
    EngineServer::with_options(product, |_, own| {
        let (host, port) = (own.address.ip(), own.address.port());
        data_options(&format!(
            "{options} --repl-diskless-sync-delay 0 --replica-announce-ip {host} \
             --replica-announce-port {port}"
        ))
    })
    .await
}

/// Starts a sentinel that watches a primary. It writes to its configuration.
async fn sentinel(product: Product, primary: &EngineProxy) -> Option<EngineServer> {
    EngineServer::with_options(product, |directory, own| {
        let (own, primary) = (own.address, primary.address);
        let text = format!(
            "sentinel monitor {SENTINEL_NAME} {} {} 2\n\
             sentinel down-after-milliseconds {SENTINEL_NAME} 1000\n\
             sentinel failover-timeout {SENTINEL_NAME} 4000\n\
             sentinel announce-ip {}\nsentinel announce-port {}\n",
            primary.ip(),
            primary.port(),
            own.ip(),
            own.port()
        );
        let file = directory.join("sentinel.conf");
        std::fs::write(&file, text).unwrap();
        vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()]
    })
    .await
}
