//! The other end of a connection.

use std::net::{IpAddr, Ipv4Addr};

use crate::edge::surface::Surface;

/// The other end of a connection, and the part of the API that it gets.
#[derive(Clone, Copy, Debug)]
pub struct ConnectedPeer {
    /// Address of the client, or of a proxy.
    pub address: IpAddr,
    /// Part of the API.
    pub surface: Surface,
}

impl Default for ConnectedPeer {
    /// A peer without an address, which gets everything.
    fn default() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), surface: Surface::Whole }
    }
}
