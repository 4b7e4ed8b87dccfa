//! Transport failures, mapped to the errors that clients receive.

use std::error::Error as StdError;
use std::time::Duration;

use hyper_util::client::legacy;
use registry_core::error::{Error, ErrorKind};

use crate::http::egress::PrivateAddress;
use crate::http::peer::Peer;

/// Default `Retry-After` for failures without one.
const RETRY: Duration = Duration::from_secs(5);

pub(super) fn silent(peer: &Peer) -> Error {
    let message = format!("The {peer} did not answer in time");
    Error::new(ErrorKind::BackendTimeout, message)
}

pub(super) fn slow(peer: &Peer) -> Error {
    let message = format!("The {peer} sends too slowly");
    Error::new(ErrorKind::BackendTimeout, message)
}

pub(super) fn too_long(max_bytes: usize) -> Error {
    Error::faulty(format!("A backend's response is longer than {max_bytes} bytes")).too_long()
}

pub(super) fn private_address(peer: &Peer) -> Error {
    Error::faulty(format!(
        "The {peer} redirects to a private address; allow_private_redirects = true permits that"
    ))
}

pub(super) fn of_sending(peer: &Peer, error: legacy::Error) -> Error {
    // First, because a refused address surfaces as a failure to connect.
    if caused_by::<PrivateAddress>(&error).is_some() {
        return private_address(peer).because(error);
    }
    if error.is_connect() {
        let message = format!("The {peer} cannot be reached");
        return Error::unavailable(message, RETRY).because(error);
    }
    let not_http = caused_by::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse);
    broken(peer, not_http, error)
}

pub(super) fn of_reading(error: hyper::Error) -> Error {
    let not_http = error.is_parse();
    let message = "A backend's response was cut off";
    let failure =
        if not_http { Error::faulty(message) } else { Error::unavailable(message, RETRY) };
    failure.because(error)
}

fn broken(peer: &Peer, not_http: bool, cause: legacy::Error) -> Error {
    let failure = if not_http {
        Error::faulty(format!("The {peer} does not speak HTTP at this address"))
    } else {
        Error::unavailable(format!("The {peer} closed the connection"), RETRY)
    };
    failure.because(cause)
}

fn caused_by<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        // `io::Error::source` skips the error that it wraps.
        let wrapped = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map(|inner| inner as _).or_else(|| current.source());
    }
    None
}
