//! The sockets that the service listens on, and the part of the API on each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use registry_server::api::routes::Api;
use registry_server::edge::client_address::TrustedProxies;
use registry_server::edge::surface::Surface;
use registry_server::server::clients::Clients;
use registry_server::server::tls::ServerTls;
use registry_server::server::{Listener, Routers};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::config::ServerConfig;

// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;

pub(super) struct Sockets {
    main: TcpListener,
    /// `server.health_port`.
    health: Option<TcpListener>,
}

impl Sockets {
    /// Fails if an address is taken, or belongs to another machine.
    pub(super) async fn bind(server: &ServerConfig) -> io::Result<Self> {
        let main = bind(server, server.port).await?;
        let health = match server.health_port {
            Some(port) => Some(bind(server, port).await?),
            None => None,
        };
        Ok(Self { main, health })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    pub(super) fn health_address(&self) -> io::Result<Option<SocketAddr>> {
        self.health.as_ref().map(TcpListener::local_addr).transpose()
    }

    pub(super) fn serving(self, api: &Api, tls: Option<Arc<ServerTls>>) -> Vec<Listener<Api>> {
        let routers =
            Routers { served: api.on(Surface::Whole), overflow: api.on(Surface::Overflow) };
        let main = match tls {
            Some(tls) => Listener::encrypted(self.main, routers, tls, api.on(Surface::PlainHttp)),
            None => Listener::plain(self.main, routers),
        };
        let monitoring = api.on(Surface::Monitoring);
        let monitoring = Routers { served: monitoring.clone(), overflow: monitoring };
        let health = self.health.map(|socket| Listener::plain(socket, monitoring));
        health.into_iter().chain([main]).collect()
    }
}

pub(super) fn clients(server: &ServerConfig) -> Clients {
    let proxies = TrustedProxies::new(server.trusted_proxies.clone());
    Clients::new(server.connections_per_client(), Arc::new(move |peer| proxies.client_at(peer)))
}

async fn bind(server: &ServerConfig, port: u16) -> io::Result<TcpListener> {
    listen((server.address(), port)).await.map_err(|error| {
        let host = &server.host;
        io::Error::new(error.kind(), format!("cannot listen on {host} port {port}: {error}"))
    })
}

async fn listen(name: (&str, u16)) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(name).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
