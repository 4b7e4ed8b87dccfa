//! A ledger of pins in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use registry_fleet::DEADLINE;
use registry_fleet::failure::Away;
use registry_fleet::pins::{PinKey, PinLedger, SharedPin};

use crate::fleet::fault::Fault;

/// The pins of one fleet.
#[derive(Default)]
pub struct MemoryPins(Mutex<BTreeMap<PinKey, SharedPin>>);

/// Connection of one replica, with a fault and a count of calls.
pub struct PinConnection {
    ledger: Arc<MemoryPins>,
    fault: Mutex<Fault>,
    calls: AtomicUsize,
}

impl MemoryPins {
    /// Creates an empty ledger.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Connects a replica.
    pub fn connect(self: &Arc<Self>) -> Arc<PinConnection> {
        let (ledger, fault) = (Arc::clone(self), Mutex::default());
        Arc::new(PinConnection { ledger, fault, calls: AtomicUsize::new(0) })
    }

    /// Deletes every pin.
    pub fn flush(&self) {
        self.0.lock().clear();
    }

    fn pin(&self, key: &PinKey, offer: &SharedPin) -> SharedPin {
        let mut pins = self.0.lock();
        let standing = pins.entry(key.clone()).or_insert_with(|| offer.clone());
        if offer.confirmed && !standing.confirmed {
            *standing = offer.clone();
        }
        standing.clone()
    }
}

impl PinConnection {
    /// Sets what happens to later calls.
    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock() = fault;
    }

    /// Number of calls.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl PinLedger for PinConnection {
    async fn pin(&self, key: &PinKey, offer: &SharedPin) -> Result<SharedPin, Away> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (fault, ledger) = (*self.fault.lock(), Arc::clone(&self.ledger));
        let (key, offer) = (key.clone(), offer.clone());
        fault.call(DEADLINE, move || ledger.pin(&key, &offer)).await
    }
}
