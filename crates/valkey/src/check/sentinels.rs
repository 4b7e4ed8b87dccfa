//! Checks of the sentinels: each is asked, and all have to name one primary.

use registry_fleet::failure::Away;

use crate::check::{Check, patiently};
use crate::dialer::Dialer;
use crate::host_port::HostPort;
use crate::sentinel::SentinelView;
use crate::sentinels::Sentinels;

const STEP: &str = "sentinels";

/// What a sentinel told, or why it told nothing.
type Told = (HostPort, Result<SentinelView, Away>);

/// Returns what is wrong with the sentinels, or that nothing is.
pub(super) async fn examine(dialer: &Dialer, sentinels: &Sentinels) -> Vec<Check> {
    let mut told = Vec::new();
    for (_, sentinel) in dialer.in_turn(sentinels) {
        let view = patiently(|| sentinel.view()).await;
        told.push((sentinel.address.clone(), view));
    }
    let mut checks = unanswered(&told);
    checks.extend(disagreement(&told));
    for (address, view) in &told {
        if let Ok(view) = view {
            checks.extend(failover(address, view, told.len()));
        }
    }
    if checks.is_empty() {
        let primary = told.iter().find_map(|(_, view)| view.as_ref().ok());
        let primary = primary.map(|view| view.primary.to_string()).unwrap_or_default();
        let what = format!("all {} name {primary} as the primary {}", told.len(), sentinels.name);
        checks.push(Check::ok(STEP, what));
    }
    checks
}

/// Replicas ask the others, so that one without an answer is a problem only if all are.
fn unanswered(told: &[Told]) -> Vec<Check> {
    let is_usable = told.iter().any(|(_, view)| view.is_ok());
    let fix = "check shared.sentinels, shared.sentinel_name, shared.sentinel_password_path and \
               shared.ca_file, that the sentinel runs, and firewalls on the way";
    let failed = told.iter().filter_map(|(address, view)| Some((address, view.as_ref().err()?)));
    let checks = failed.map(|(address, away)| {
        let what = format!("sentinel {address}: {away}");
        if is_usable { Check::note(STEP, what, fix) } else { Check::problem(STEP, what, fix) }
    });
    checks.collect()
}

fn disagreement(told: &[Told]) -> Option<Check> {
    let mut named: Vec<(&HostPort, Vec<String>)> = Vec::new();
    for (address, view) in told {
        let Ok(view) = view else { continue };
        match named.iter_mut().find(|(primary, _)| **primary == view.primary) {
            Some((_, by)) => by.push(address.to_string()),
            None => named.push((&view.primary, vec![address.to_string()])),
        }
    }
    if named.len() < 2 {
        return None;
    }
    let named: Vec<String> =
        named.iter().map(|(primary, by)| format!("{primary} by {}", by.join(", "))).collect();
    Some(Check::problem(
        STEP,
        format!("the sentinels name different primaries: {}", named.join("; ")),
        "wait for the end of a failover and try again; otherwise check that these sentinels reach each \
         other, and that all watch the same servers",
    ))
}

/// Returns why a sentinel cannot replace the primary, as far as it knows.
fn failover(address: &HostPort, view: &SentinelView, named: usize) -> Vec<Check> {
    let mut checks = Vec::new();
    if view.replicas == 0 {
        checks.push(Check::note(
            STEP,
            format!(
                "sentinel {address} knows no replica of {}: no server can take over",
                view.primary
            ),
            "start a replica of the primary",
        ));
    }
    let needed = view.quorum.max(named);
    if view.sentinels < needed {
        checks.push(Check::note(
            STEP,
            format!(
                "sentinel {address} knows {} sentinel(s), itself included, of {needed}: they may not \
                 agree on a failover",
                view.sentinels
            ),
            "check that the sentinels reach each other through the primary, and the quorum",
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(primary: &str, replicas: usize, sentinels: usize) -> SentinelView {
        SentinelView { primary: primary.parse().unwrap(), replicas, sentinels, quorum: 2 }
    }

    fn told(address: &str, primary: &str) -> Told {
        (address.parse().unwrap(), Ok(view(primary, 1, 3)))
    }

    #[test]
    fn the_sentinel_that_disagrees_is_named() {
        let mut all = [told("a:1", "x:6379"), told("b:1", "x:6379"), told("c:1", "x:6379")];
        assert_eq!(disagreement(&all), None);
        all[2] = told("c:1", "y:6379");
        let check = disagreement(&all).unwrap();
        assert!(check.what.ends_with("x:6379 by a:1, b:1; y:6379 by c:1"), "{check:?}");
        assert!(!check.is_note);
    }

    #[test]
    fn a_sentinel_that_knows_too_few_others_or_no_replica_is_told() {
        let address = "a:1".parse().unwrap();
        assert_eq!(failover(&address, &view("x:6379", 1, 3), 3), []);
        let checks = failover(&address, &view("x:6379", 0, 2), 3);
        assert!(checks.iter().all(|check| check.is_note), "{checks:?}");
        assert!(checks[0].what.contains("no replica of x:6379"), "{checks:?}");
        assert!(checks[1].what.contains("2 sentinel(s), itself included, of 3"), "{checks:?}");
        let alone = failover(&address, &view("x:6379", 1, 1), 1);
        assert!(alone[0].what.contains("of 2"), "the quorum is larger: {alone:?}");
    }
}
