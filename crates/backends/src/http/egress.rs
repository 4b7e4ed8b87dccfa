//! Filter for private addresses, to which an upstream must not direct the client (SSRF).
//!
//! Checks literals in a URL, which bypass the resolver, and addresses that a name resolves to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;
use url::{Host, Url};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is not public")]
pub(crate) struct PrivateAddress;

/// Refuses literal private addresses. Host names pass; [`PublicOnly`] checks their addresses.
pub(crate) fn check_literal(url: &Url) -> Result<(), PrivateAddress> {
    let public = match url.host() {
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if public { Ok(()) } else { Err(PrivateAddress) }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    ) && !is_service_of_a_cloud(address)
}

/// Returns true for public addresses where a cloud serves metadata or keys to its machines.
fn is_service_of_a_cloud(address: Ipv4Addr) -> bool {
    matches!(
        address.octets(),
        // Azure: WireServer, which hands out certificates and extensions' settings.
        [168, 63, 129, 16]
            // Equinix Metal: metadata.
            | [192, 80, 8, 124]
            // IBM Cloud: its network of private services.
            | [161, 26, _, _]
            | [166, 8..=11, _, _]
    )
}

/// Returns true for global unicast addresses, except protocol, documentation and tunnel ranges. An
/// address that embeds an IPv4 address (mapped, NAT64) is as public as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [first, second, third, ..] = segments;
    let wraps_v4 = matches!(segments, [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]);
    if wraps_v4 {
        return is_public_v4(last_v4(address));
    }
    if (first, second, third) == (0x64, 0xff9b, 1) {
        return translates_to_public(address);
    }
    let set_aside = (first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        || first == 0x2002
        || (first == 0x3fff && second < 0x1000);
    first & 0xe000 == 0x2000 && !set_aside
}

fn last_v4(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// `64:ff9b:1::/48` hides where the IPv4 address lies (RFC 6052, 2.2): all places must be public.
#[expect(clippy::many_single_char_names, reason = "the bytes have no other names")]
fn translates_to_public(address: Ipv6Addr) -> bool {
    let [_, _, _, _, _, _, g, h, _, j, k, l, m, ..] = address.octets();
    let other_places = [[g, h, j, k], [h, j, k, l], [j, k, l, m]].map(Ipv4Addr::from);
    is_public_v4(last_v4(address))
        // 0.0.0.0/8 leads to no host, and also results from zero padding of a longer prefix.
        && other_places.into_iter().all(|place| place.octets()[0] == 0 || is_public_v4(place))
}

/// Resolver that drops addresses that are not public. The connector dials exactly the remaining
/// addresses without another lookup, so that a name cannot be rebound between check and connection.
#[derive(Clone, Debug)]
pub(super) struct PublicOnly<R = GaiResolver>(R);

impl PublicOnly {
    pub(super) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl<R> Service<Name> for PublicOnly<R>
where
    R: Service<Name, Error = io::Error>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Future: Send + 'static,
{
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        Box::pin(async move {
            let public: Vec<SocketAddr> =
                resolving.await?.filter(|address| is_public(address.ip())).collect();
            // An error instead of an empty list: the failure names the refused address and not DNS.
            if public.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, PrivateAddress));
            }
            Ok(public.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::{Ready, ready};
    use std::net::TcpListener;
    use std::sync::Arc;

    use hyper::Uri;
    use hyper_util::client::legacy::connect::HttpConnector;
    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn private_literals_are_refused_however_they_are_written() {
        for address in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[64:ff9b::a00:1]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:db8::1]/",
            "http://[ff02::1]/",
        ] {
            assert_eq!(check_literal(&address.parse().unwrap()), Err(PrivateAddress), "{address}");
        }
        for address in [
            "http://9.9.9.9/",
            "http://[2620:fe::fe]/",
            "http://[::ffff:9.9.9.9]/",
            "http://a.example/",
        ] {
            assert_eq!(check_literal(&address.parse().unwrap()), Ok(()), "{address}");
        }
    }

    #[test]
    fn s22_services_of_clouds_in_public_ranges_are_refused() {
        for address in [
            "168.63.129.16",
            "192.80.8.124",
            "161.26.0.10",
            "166.11.255.1",
            "100.100.100.200",
            "192.0.0.192",
            "::ffff:168.63.129.16",
            "64:ff9b::168.63.129.16",
            "64:ff9b:1::168.63.129.16",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00:0",
            "64:ff9b:1:0:a:0:900:0",
            "64:ff9b:1::",
            "64:ff9b:2::9.9.9.9",
            "::169.254.169.254",
            "::168.63.129.16",
            "2002:a83f:8110::1",
            "2001:0:909:909::57c0:7eef",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fd00:42::42",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "168.63.129.15",
            "168.63.129.17",
            "161.27.0.1",
            "166.12.0.1",
            "64:ff9b::9.9.9.9",
            "64:ff9b:1::9.9.9.9",
            "64:ff9b:1:7:0:8:9.9.9.9",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing() {
        let name: Name = "localhost".parse().unwrap();
        let error = PublicOnly::new().call(name).await.unwrap_err();
        assert!(error.get_ref().unwrap().is::<PrivateAddress>());
    }

    #[derive(Clone)]
    struct Says(Arc<Mutex<VecDeque<Vec<IpAddr>>>>);

    impl Service<Name> for Says {
        type Response = vec::IntoIter<SocketAddr>;
        type Error = io::Error;
        type Future = Ready<io::Result<Self::Response>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            let said = self.0.lock().pop_front().unwrap().into_iter();
            let addresses: Vec<SocketAddr> = said.map(|address| (address, 0).into()).collect();
            ready(Ok(addresses.into_iter()))
        }
    }

    async fn left(said: &[&[&str]]) -> Vec<Option<Vec<String>>> {
        let parsed = said.iter().map(|all| all.iter().map(|one| one.parse().unwrap()).collect());
        let mut resolver = PublicOnly(Says(Arc::new(Mutex::new(parsed.collect()))));
        let mut left = Vec::new();
        for _ in said {
            let found = resolver.call("metadata.google.internal".parse().unwrap()).await;
            let text = |address: SocketAddr| address.ip().to_string();
            left.push(found.ok().map(|found| found.map(text).collect()));
        }
        left
    }

    #[tokio::test]
    async fn names_of_private_addresses_resolve_to_nothing_and_others_to_what_is_public() {
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "fe80::1",
        ] {
            assert_eq!(left(&[&[private]]).await, [None], "{private}");
            let mixed = left(&[&[private, "9.9.9.9", "2620:fe::fe"]]).await;
            let public = ["9.9.9.9", "2620:fe::fe"].map(str::to_owned).to_vec();
            assert_eq!(mixed, [Some(public)], "{private}");
        }
        // DNS rebinding: each lookup is checked, and no lookup happens twice.
        let rebound = left(&[&["9.9.9.9"], &["127.0.0.1"]]).await;
        assert_eq!(rebound, [Some(vec!["9.9.9.9".to_owned()]), None]);
    }

    #[tokio::test]
    async fn a_rebound_name_is_asked_for_once_a_connection_and_leads_to_nobody() {
        let canary = TcpListener::bind("127.0.0.1:0").unwrap();
        canary.set_nonblocking(true).unwrap();
        let port = canary.local_addr().unwrap().port();
        // A check before the connection would only see the first lookup.
        let said =
            [["127.0.0.1"], ["9.9.9.9"]].map(|all| all.map(|one| one.parse().unwrap()).into());
        let said = Arc::new(Mutex::new(VecDeque::from(said)));
        let mut connector = HttpConnector::new_with_resolver(PublicOnly(Says(Arc::clone(&said))));
        let address: Uri = format!("http://rebound.example:{port}/").parse().unwrap();
        assert!(connector.call(address).await.is_err());
        assert_eq!(said.lock().len(), 1, "one question");
        assert_eq!(canary.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
