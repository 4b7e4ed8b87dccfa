//! Client addresses: the peer of the connection, or the address reported by a trusted proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// Networks of proxies whose forwarding headers are trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts peers in these networks.
    #[must_use]
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Returns true if the address belongs to a trusted proxy.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the network of a direct client; `None` for trusted proxies and loopback.
    #[must_use]
    pub fn client_at(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        (!self.trusts(peer) && !peer.is_loopback()).then(|| network_of(peer))
    }

    /// Returns the address of the client: the last hop that is not a trusted proxy.
    #[must_use]
    pub fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let plain = hops(headers, &X_FORWARDED_FOR, hop);
        let standard = hops(headers, &FORWARDED, forwarded_for);
        let [plain, standard] =
            [plain, standard].map(|hops| hops.map(|hops| self.last_untrusted(peer, &hops)));
        match (plain, standard) {
            (Some(one), Some(other)) if one != other => peer,
            (one, other) => one.or(other).unwrap_or(peer),
        }
    }

    fn last_untrusted(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
        // An entry that is not an address ends the walk: earlier entries may be forged.
        let mut nearest = peer;
        for hop in hops.iter().rev() {
            let Some(address) = *hop else { break };
            nearest = address;
            if !self.trusts(address) {
                break;
            }
        }
        nearest
    }
}

/// Returns the network that counts as one client: an IPv4 address, or the /64 of an IPv6 one.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => translated(address).map_or_else(
            || {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            },
            IpAddr::V4,
        ),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

/// Returns the IPv4 client behind NAT64, 6to4 or Teredo, whose clients share one IPv6 network.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => (high, low),
        // Teredo stores the client's address with all bits inverted (RFC 4380, section 4).
        [0x2001, 0, .., high, low] => (!high, !low),
        _ => return None,
    };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: impl Fn(&str) -> Option<IpAddr>,
) -> Option<Vec<Option<IpAddr>>> {
    let values = headers.get_all(name).iter();
    // An unreadable value ends the walk; dropped, it would vouch for those before it.
    let texts = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
    let hops: Vec<_> = texts.map(|text| parse(text.trim())).collect();
    (!hops.is_empty()).then_some(hops)
}

/// Parses `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn hop(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let address = match (bracketed, text.split_once(':')) {
        (Some((inside, _)), _) => inside,
        // A single colon separates a port; several belong to an IPv6 address.
        (None, Some((before, after))) if !after.contains(':') => before,
        _ => text,
    };
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Parses the `for` parameter of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    hop(node.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, headers: &[(&HeaderName, &str)]) -> String {
        let proxies = ["10.0.0.0/8", "2001:db8:aa::/48"].map(|net| net.parse().unwrap());
        let proxies = TrustedProxies::new(proxies.to_vec());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        proxies.client_of(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let forged = [(&X_FORWARDED_FOR, "192.0.2.9"), (&FORWARDED, "for=192.0.2.9")];
        assert_eq!(client("198.51.100.1", &forged), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &forged), "192.0.2.9");
        assert_eq!(client("::ffff:10.0.0.1", &forged), "192.0.2.9", "IPv4 over a socket of IPv6");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_last_hop_that_is_not_trusted_is_the_client() {
        for (header, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
            ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
            ("6.6.6.6, unknown, 10.1.1.1", "10.1.1.1"),
            ("6.6.6.6, ", "10.0.0.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::7]:80", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("2001:db8:bb::7, 2001:db8:aa::1", "2001:db8:bb::7"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("a b, <script>", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[(&X_FORWARDED_FOR, header)]), expected, "{header}");
        }
        let lines = [(&X_FORWARDED_FOR, "6.6.6.6"), (&X_FORWARDED_FOR, "192.0.2.1")];
        assert_eq!(client("10.0.0.1", &lines), "192.0.2.1", "several headers are one list");
    }

    #[test]
    fn the_standard_header_is_read_as_well() {
        for (header, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("by=x;For=\"[2001:db8::7]:80\";proto=https", "2001:db8::7"),
            ("for=6.6.6.6, for=192.0.2.1, for=10.1.1.1", "192.0.2.1"),
            ("for=_hidden", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[(&FORWARDED, header)]), expected, "{header}");
        }
    }

    #[test]
    fn a_header_that_the_proxy_only_passed_on_cannot_pretend() {
        let both = [(&X_FORWARDED_FOR, "192.0.2.1"), (&FORWARDED, "for=6.6.6.6")];
        assert_eq!(client("10.0.0.1", &both), "10.0.0.1");
    }

    #[test]
    fn connections_of_proxies_and_of_this_machine_are_nobodys() {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        for (peer, client) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::")),
            ("10.1.2.3", None),
            ("::ffff:10.1.2.3", None),
            ("127.0.0.1", None),
            ("::1", None),
            ("::ffff:127.0.0.1", None),
        ] {
            let client = client.map(|client| client.parse().unwrap());
            assert_eq!(proxies.client_at(peer.parse().unwrap()), client, "{peer}");
        }
    }

    #[test]
    fn s22b_clients_behind_translators_are_told_apart_by_their_own_address() {
        for (address, network) in [
            ("64:ff9b::192.0.2.1", "192.0.2.1"),
            ("64:ff9b:1::192.0.2.1", "192.0.2.1"),
            ("64:ff9b:1:7::192.0.2.1", "192.0.2.1"),
            ("2002:c000:201::1", "192.0.2.1"),
            ("2002:c000:201:ffff::1", "192.0.2.1"),
            ("2001:0:909:909:8000:1234:3fff:fdfe", "192.0.2.1"),
            ("64:ff9c::192.0.2.1", "64:ff9c::"),
            ("2001:1:909:909:8000:1234:3fff:fdfe", "2001:1:909:909::"),
        ] {
            assert_eq!(network_of(address.parse().unwrap()).to_string(), network, "{address}");
        }
    }

    #[test]
    fn one_subscriber_is_one_network() {
        for (address, network) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(network_of(address.parse().unwrap()).to_string(), network);
        }
    }
}
