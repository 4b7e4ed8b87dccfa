//! Detection of registries that read from themselves or from each other, by the header `Via`.
//!
//! A service names itself in its requests to upstreams and in its responses to registries. It refuses
//! a request that names itself, or a service that it reads from.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::models::digest::Digest;

/// Beginning of the pseudonym of every such service.
const PREFIX: &str = "extension-registry-";
/// Maximum number of services that are remembered.
const UPSTREAMS_MAX: usize = 64;
/// Number of hexadecimal digits that tell services apart.
const DIGITS: usize = 16;

/// The identity of this service in `Via`, and those of the services that it reads from. Clones share
/// them. The default has no identity, names nothing and refuses nothing.
#[derive(Clone, Debug, Default)]
pub struct Via(Option<Arc<KnownServices>>);

#[derive(Debug)]
struct KnownServices {
    name: String,
    upstreams: Mutex<Vec<String>>,
}

impl Via {
    /// Creates the identity of a service with this configuration. Replicas have the same one.
    #[must_use]
    pub fn of(configuration: &str) -> Self {
        let digest = Digest::sha256(configuration.as_bytes());
        let name = format!("{PREFIX}{}", digest.hex().get(..DIGITS).unwrap_or_default());
        Self(Some(Arc::new(KnownServices { name, upstreams: Mutex::default() })))
    }

    /// Returns the value of `Via` for requests and responses; `None` without an identity.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        self.0.as_ref().map(|known| format!("1.1 {}", known.name))
    }

    /// Returns true if a request with this `Via` comes from this service, or from one that it reads
    /// from.
    #[must_use]
    pub fn is_loop(&self, via: &str) -> bool {
        let Some(known) = &self.0 else { return false };
        let upstreams = known.upstreams.lock();
        services(via).any(|service| {
            service == known.name || upstreams.iter().any(|upstream| upstream == service)
        })
    }

    /// Remembers the services that a response of an upstream names.
    pub fn learn(&self, via: &str) {
        let Some(known) = &self.0 else { return };
        let mut upstreams = known.upstreams.lock();
        for service in services(via) {
            let is_new = !upstreams.iter().any(|upstream| upstream == service);
            if is_new && upstreams.len() < UPSTREAMS_MAX {
                upstreams.push(service.to_owned());
            }
        }
    }
}

/// Returns true if a `Via` names such a service.
#[must_use]
pub fn names_registry(via: &str) -> bool {
    services(via).next().is_some()
}

/// Returns the services that a `Via` names; proxies are left out.
fn services(via: &str) -> impl Iterator<Item = &str> {
    let hops = via.split(',').filter_map(|hop| hop.split_whitespace().nth(1));
    hops.filter(|name| {
        name.strip_prefix(PREFIX).is_some_and(|digits| {
            digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_knows_itself_and_those_it_reads_from() {
        let [one, two, three] = ["a", "b", "c"].map(Via::of);
        let [ours, theirs, other] = [&one, &two, &three].map(|via| via.value().unwrap());
        assert!(one.is_loop(&ours) && Via::of("a").is_loop(&ours), "replicas are the same");
        assert!(!one.is_loop(&theirs));
        one.clone().learn(&format!("1.1 proxy.example.com, {theirs}"));
        assert!(one.is_loop(&theirs) && one.is_loop(&format!("1.0 x, {theirs} (comment)")));
        assert!(!one.is_loop(&other) && !two.is_loop(&ours));
        for via in ["", "1.1 proxy", "1.1 extension-registry-x", ",,", "extension-registry-"] {
            assert!(!one.is_loop(via) && !names_registry(via), "{via}");
        }
        assert!(names_registry(&other));
        let none = Via::default();
        none.learn(&ours);
        assert!(none.value().is_none() && !none.is_loop(&ours));
    }

    #[test]
    fn made_up_services_take_bounded_memory() {
        let via = Via::of("a");
        (0..1000_u32).for_each(|at| via.learn(&Via::of(&at.to_string()).value().unwrap()));
        assert_eq!(via.0.unwrap().upstreams.lock().len(), UPSTREAMS_MAX);
    }
}
