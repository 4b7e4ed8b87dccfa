//! Evidence about one backend: the proven part of the last listing and the last reads, and faults.
//!
//! Every read, on every path, is recorded here. Degraded marks on responses, repeated reads and the
//! faults in `/health` depend on this state alone.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::RwLock;
use registry_core::backend::Fault;
use registry_core::backend::changes::Listed;
use registry_core::error::Error;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::Extension;
use registry_core::models::fault::{ExtensionFault, FaultSubject};
use registry_core::models::naming::ExtensionId;
use registry_core::models::truncate::truncate;

use crate::health::faults::Faults;

#[derive(Default)]
pub(crate) struct EvidenceCell(RwLock<BackendEvidence>);

#[derive(Default)]
struct BackendEvidence {
    listing: Coverage,
    /// Extensions whose last read failed or was incomplete.
    incomplete: BTreeSet<ExtensionId>,
    faults: Faults,
    /// Apart from `faults`, whose bound they must not use up: they concern nothing that is served.
    naming: Vec<Fault>,
}

impl EvidenceCell {
    pub(crate) fn listed(&self, listed: Listed) -> Vec<Fault> {
        let mut evidence = self.0.write();
        let Listed { coverage, faults } = listed;
        let (naming, mut faults): (Vec<Fault>, Vec<Fault>) =
            faults.into_iter().partition(is_of_naming);
        // A listing with faults has named its gap already.
        if let Some(reason) = coverage.reason().filter(|_| faults.is_empty()) {
            faults.push(listing_fault(reason));
        }
        evidence.listing = coverage;
        let mut new =
            evidence.faults.replace(faults, |_, subject| *subject == FaultSubject::Listing);
        // Only new advice is logged; the list repeats it in every sweep.
        new.extend(naming.iter().filter(|fault| !evidence.naming.contains(fault)).cloned());
        evidence.naming = naming;
        new
    }

    pub(crate) fn read(&self, extension: &Extension) -> Vec<Fault> {
        let mut evidence = self.0.write();
        let (id, coverage) = (extension.id(), extension.coverage());
        if coverage.proves_the_newest() {
            evidence.incomplete.remove(id);
        } else {
            evidence.incomplete.insert(id.clone());
        }
        let repository = id.to_string();
        // A fault of a download ends when its file is gone, even if no download ever succeeds.
        evidence.faults.keep_downloads(&repository, |file| {
            let files = extension.all_releases().flat_map(|release| release.assets.iter());
            let archives = extension.all_releases().filter_map(|one| one.artifact.chosen());
            files.chain(archives).any(|known| known.key == *file)
        });
        let mut faults = extension.faults().to_vec();
        faults.extend(extension.mixed_forms());
        if let Some(reason) = coverage.reason() {
            faults.push(ExtensionFault::of_repository(reason));
        }
        // An empty repository without a reason would be missing from lists and from `/health`.
        if faults.is_empty() && extension.releases().is_empty() {
            faults.push(ExtensionFault::of_repository("it has no release"));
        }
        evidence.replace(&repository, faults)
    }

    /// Without a `failure`, the cause lies elsewhere and the faults stay as they are.
    pub(crate) fn unread(&self, id: &ExtensionId, failure: Option<&Error>) -> Vec<Fault> {
        let mut evidence = self.0.write();
        evidence.incomplete.insert(id.clone());
        let Some(error) = failure else { return Vec::new() };
        let fault = Fault {
            repository: id.to_string(),
            subject: FaultSubject::Repository,
            reason: error.report(),
        };
        let is_new = evidence.faults.add(fault.clone());
        is_new.then_some(fault).into_iter().collect()
    }

    pub(crate) fn absent(&self, id: &ExtensionId) {
        let mut evidence = self.0.write();
        evidence.incomplete.remove(id);
        let repository = id.to_string();
        evidence.faults.keep_downloads(&repository, |_| false);
        evidence.replace(&repository, Vec::new());
    }

    pub(crate) fn found(&self, fault: Fault) -> Option<Fault> {
        self.0.write().faults.add(fault.clone()).then_some(fault)
    }

    pub(crate) fn mended(&self, repository: &str, subject: &FaultSubject) {
        // Most calls remove nothing, so a read lock comes first and readers need not wait.
        if self.0.read().faults.may_name(repository) {
            self.0.write().faults.remove(repository, subject);
        }
    }

    pub(crate) fn sweep_begins(&self) {
        self.0.write().faults.sweep_begins();
    }

    pub(crate) fn keep(&self, exists: impl Fn(&ExtensionId) -> bool) {
        let mut evidence = self.0.write();
        evidence.incomplete.retain(&exists);
        // A listing's own faults concern no single extension, so they stay.
        evidence.faults.replace(Vec::new(), |repository, subject| {
            let id = repository.parse::<ExtensionId>();
            *subject != FaultSubject::Listing && id.is_ok_and(|id| !exists(&id))
        });
    }

    pub(crate) fn incomplete(&self) -> Vec<ExtensionId> {
        self.0.read().incomplete.iter().cloned().collect()
    }

    pub(crate) fn lacks_part(&self, of: Option<&ExtensionId>) -> bool {
        let evidence = self.0.read();
        match of {
            Some(id) => evidence.incomplete.contains(id),
            None => !evidence.incomplete.is_empty() || !evidence.listing.proves_the_newest(),
        }
    }

    /// Returns true if this extension may exist although it is not cached.
    pub(crate) fn may_name(&self, id: &ExtensionId) -> bool {
        let evidence = self.0.read();
        evidence.incomplete.contains(id) || evidence.faults.may_name(&id.to_string())
    }

    /// Returns the kept faults, with naming faults last, and the number of the others.
    pub(crate) fn faults(&self) -> (Vec<Fault>, usize) {
        let evidence = self.0.read();
        let naming = evidence.naming.iter().cloned();
        (evidence.faults.iter().chain(naming).collect(), evidence.faults.beyond())
    }

    pub(crate) fn listing(&self) -> Coverage {
        self.0.read().listing.clone()
    }

    /// Takes over what another replica reports, which reads the backend for all.
    pub(crate) fn follow(
        &self,
        listing: Coverage,
        incomplete: Vec<ExtensionId>,
        faults: Vec<Fault>,
    ) {
        self.0.write().incomplete.clear();
        self.restore(listing, incomplete, faults);
    }

    pub(crate) fn restore(
        &self,
        listing: Coverage,
        incomplete: impl IntoIterator<Item = ExtensionId>,
        faults: Vec<Fault>,
    ) {
        let mut evidence = self.0.write();
        evidence.listing = listing;
        evidence.incomplete.extend(incomplete);
        let (naming, faults): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(is_of_naming);
        evidence.faults = faults.into_iter().collect();
        evidence.naming = naming;
    }
}

fn is_of_naming(fault: &Fault) -> bool {
    fault.subject == FaultSubject::Naming
}

impl BackendEvidence {
    fn replace(&mut self, repository: &str, faults: Vec<ExtensionFault>) -> Vec<Fault> {
        let name = truncate(repository.to_owned());
        let mut by_subject: BTreeMap<FaultSubject, Vec<String>> = BTreeMap::new();
        // Several faults of one subject become one, because the store has one place per subject.
        for fault in faults {
            by_subject.entry(fault.subject).or_default().push(fault.reason);
        }
        let faults = by_subject.into_iter().map(|(subject, reasons)| Fault {
            repository: name.clone(),
            subject,
            reason: truncate(reasons.join("; ")),
        });
        self.faults.replace(faults.collect(), |of, subject| {
            // Download faults stay: a read of metadata does not show that a file can be downloaded.
            of == name && matches!(subject, FaultSubject::Repository | FaultSubject::Release(_))
        })
    }
}

pub(crate) fn listing_fault(reason: &str) -> Fault {
    Fault { repository: "*".to_owned(), subject: FaultSubject::Listing, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(repository: &str) -> Fault {
        let reason = "is not served".to_owned();
        Fault { repository: repository.to_owned(), subject: FaultSubject::Naming, reason }
    }

    fn listed(coverage: Coverage, faults: &[Fault]) -> Listed {
        Listed { coverage, faults: faults.to_vec() }
    }

    #[test]
    fn faults_of_names_say_nothing_of_what_is_served() {
        let cell = EvidenceCell::default();
        let advice = [naming("provider/aws_prov"), naming("x_prov")];
        assert_eq!(cell.listed(listed(Coverage::Complete, &advice)), advice, "both are new");
        assert_eq!(cell.listed(listed(Coverage::Complete, &advice)), [], "known");
        assert_eq!(cell.faults(), (advice.to_vec(), 0));
        assert!(!cell.lacks_part(None));
        let id: ExtensionId = "provider/aws_prov".parse().unwrap();
        assert!(!cell.may_name(&id), "a name in a namespace is no extension");
        cell.keep(|_| false);
        assert_eq!(cell.faults().0, advice, "no list proves them away but the next one");
        assert_eq!(cell.listed(listed(Coverage::Complete, &advice[1..])), []);
        assert_eq!(cell.faults().0, advice[1..]);
    }

    #[test]
    fn a_gap_in_a_list_is_told_beside_faults_of_names() {
        let cell = EvidenceCell::default();
        let advice = [naming("x_prov")];
        let news = cell.listed(listed(Coverage::Partial("page 2 is missing".into()), &advice));
        let expected = [listing_fault("page 2 is missing"), naming("x_prov")];
        assert_eq!(news, expected);
        assert_eq!(cell.faults().0, expected, "those of names come last");
        assert!(cell.lacks_part(None));
        let restarted = EvidenceCell::default();
        restarted.restore(Coverage::Complete, [], cell.faults().0);
        assert_eq!(restarted.faults().0, expected);
        assert_eq!(restarted.listed(listed(Coverage::Complete, &[])), []);
        assert_eq!(restarted.faults().0, []);
    }
}
