//! Settings of an engine.

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion,
    RedisConnectionInfo, TlsCertificates,
};
use registry_fleet::failure::{Away, AwayReason};

use crate::address::EngineAddress;
use crate::fleet_name::FleetName;
use crate::host_port::HostPort;
use crate::sentinels::Sentinels;

/// Where an engine is, and how it is used.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Address of the server. With `sentinels`, its host and port are not used.
    pub address: EngineAddress,
    /// Sentinels that know the primary.
    pub sentinels: Option<Sentinels>,
    /// Name of the fleet.
    pub name: FleetName,
    /// User of the server; `None` for its default user.
    pub username: Option<String>,
    /// Certificates in PEM that the certificates of the server and of the sentinels have to lead to;
    /// `None` for those of the system.
    pub ca: Option<Vec<u8>>,
}

impl EngineSettings {
    /// Names the server in messages while there is no connection.
    pub(crate) fn target(&self) -> String {
        match &self.sentinels {
            Some(sentinels) => format!("primary {} of the sentinels", sentinels.name),
            None => self.address.to_string(),
        }
    }

    /// Returns a client of a server or a sentinel, which has no credentials and does not connect. Fails if
    /// the certificates cannot be used.
    pub(crate) fn client(&self, to: &HostPort) -> Result<Client, Away> {
        let (HostPort { host, port }, has_tls) = (to.clone(), self.address.has_tls);
        let addr = if has_tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        // The names of libraries tell the server nothing that it needs, and would need a right.
        let server = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP2)
            .set_skip_set_lib_name();
        let refused = |_| Away::new(AwayReason::Refused, "the address cannot be used");
        let info: ConnectionInfo = addr.into_connection_info().map_err(refused)?;
        // Small commands must not wait for the acknowledgment of the one before.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = info.set_redis_settings(server).set_tcp_settings(tcp);
        if !has_tls {
            return Client::open(info).map_err(refused);
        }
        let certificates = TlsCertificates { client_tls: None, root_cert: self.ca.clone() };
        Client::build_with_tls(info, certificates).map_err(|_| {
            Away::new(AwayReason::Refused, "the certificates of the file cannot be used")
        })
    }
}
