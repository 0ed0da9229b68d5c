//! A waker that keeps a ledger, for the tests of this module.

use crate::loom::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

/// Counts its wakes, and writes its name into a list at each of them.
pub(super) struct Ledger {
    name: usize,
    wakes: AtomicU32,
    order: Arc<Mutex<Vec<usize>>>,
}

impl Ledger {
    pub(super) fn new() -> Arc<Self> {
        Self::named(0, &Arc::default())
    }

    pub(super) fn named(name: usize, order: &Arc<Mutex<Vec<usize>>>) -> Arc<Self> {
        Arc::new(Self { name, wakes: AtomicU32::new(0), order: order.clone() })
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        self.clone().into()
    }

    pub(super) fn wakes(&self) -> u32 {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl Wake for Ledger {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.order.lock().unwrap().push(self.name);
    }
}
