//! What a loop is made of.

use crate::driver::Driver;
use crate::home::Home;
use std::sync::Arc;

/// A driver, and the home whose slots it completes. See [`Loop::new`].
pub struct Loop {
    pub(in crate::scheduler) driver: Box<dyn Driver>,
    pub(in crate::scheduler) home: Arc<Home>,
}

impl std::fmt::Debug for Loop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loop").field("driver", &self.driver.name()).finish_non_exhaustive()
    }
}

impl Loop {
    /// A loop of these, for a scheduler. From here on the scheduler takes what an op answered, and frees what
    /// it borrowed, as soon as its slot is Ready.
    ///
    /// # Safety
    ///
    /// The slots of `home` are free, and only the scheduler makes transitions of them, and the driver (with
    /// threads of its own): 2, 3 and 8, each as I1 to I6 of [`crate::slot`] say. Whoever else has the home may
    /// look, and ring its bell. So an op is Ready only when nobody reaches any more what it borrowed.
    pub unsafe fn new(driver: Box<dyn Driver>, home: Arc<Home>) -> Self {
        Self { driver, home }
    }
}
