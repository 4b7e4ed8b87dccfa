//! Registries that lead back to the service itself.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::Program;

/// An address that leads to another one, which is told later.
struct Relay {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
}

impl Relay {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(OnceLock::new());
        let known = Arc::clone(&target);
        tokio::spawn(async move {
            while let Ok((mut inbound, _)) = listener.accept().await {
                let known = Arc::clone(&known);
                tokio::spawn(async move {
                    let target = loop {
                        match known.get() {
                            Some(target) => break *target,
                            None => tokio::task::yield_now().await,
                        }
                    };
                    let mut outbound = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
                });
            }
        });
        Self { address, target }
    }

    fn lead_to(&self, program: &Program) {
        self.target.set(program.running.address).unwrap();
    }
}

fn config(relay: &Relay) -> String {
    let address = relay.address;
    format!("[oci]\nregistry = \"http://{address}\"\nnamespace = \"extensions\"\nretries = 0\n")
}

/// Waits until `/health` says of the registry that it leads back; for a minute.
async fn is_named(program: &Program) {
    let named = async {
        while !program.get("/api/v1/health").await.text().contains("itself") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), named).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_is_the_service_itself_is_refused_and_named() {
    let relay = Relay::start().await;
    let program = Program::start_unready(&config(&relay));
    relay.lead_to(&program);
    is_named(&program).await;
    assert_eq!(program.get("/v2/").await.status, 200);
}

#[tokio::test]
async fn two_registries_that_read_from_each_other_are_both_named() {
    let relays = [Relay::start().await, Relay::start().await];
    let [one, two] = relays.each_ref().map(|relay| Program::start_unready(&config(relay)));
    // The first exchange passes: neither knows yet what the other reads.
    relays[0].lead_to(&two);
    relays[1].lead_to(&one);
    is_named(&one).await;
    is_named(&two).await;
}
