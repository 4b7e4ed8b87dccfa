//! How an extension goes: after two direct noes, and only from a backend that still shows us others.

use std::sync::Arc;

use crate::backend::Fault;
use crate::catalog::Catalogue;
use crate::catalog::member::Member;
use crate::catalog::rounds::{Read, Taken, read_one};
use crate::models::fault::FaultSubject;

/// Extensions that are asked for before a backend's "no" is believed.
const WITNESSES_MAX: usize = 3;

impl Catalogue {
    /// Takes over what was read, and removes what is certainly gone.
    pub(super) async fn take_in(self: &Arc<Self>, member: &Member, read: Vec<Read>) -> Taken {
        let mut taken = self.take_over(member.source(), read);
        let gone = std::mem::take(&mut taken.gone);
        if gone.is_empty() {
            return taken;
        }
        if self.is_believed(member).await {
            self.change(|index| gone.iter().for_each(|id| index.remove(member.source(), id)));
        } else {
            taken.faults.push(not_believed());
            taken.lacking.extend(gone);
        }
        taken
    }

    /// Whether a backend's "no" means that something is gone. One that took our rights away, or
    /// lost its disk, says no to everything: so it has to show us another extension now, or, where
    /// there is no other, to accept our credentials.
    async fn is_believed(self: &Arc<Self>, member: &Member) -> bool {
        let (all, witnesses) = self.index.lock().undoubted(member.source(), WITNESSES_MAX);
        if all <= 1 {
            member.probe().await;
            return !member.status.is_failing();
        }
        for witness in witnesses {
            let read = read_one(member, witness).await;
            let is_there = read.1.is_ok();
            self.take_over(member.source(), vec![read]);
            if is_there {
                return true;
            }
        }
        false
    }
}

/// What an operator is told of a backend that lost everything at once.
pub(super) fn not_believed() -> Fault {
    Fault {
        repository: "*".to_owned(),
        subject: FaultSubject::Listing,
        reason: "everything that was there is said to be gone; nothing is removed for that".into(),
    }
}
