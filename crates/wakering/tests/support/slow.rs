//! A driver whose end is under control.

use std::sync::{Arc, mpsc};
use std::time::Duration;
use wakering_core::abi::Opcode;
use wakering_core::buffers::BufferGroup;
use wakering_core::driver::{Drained, Sink};
use wakering_core::scheduler::{LocalOptions, LocalScheduler, Loop};
use wakering_core::{Driver, Error, Home, Token};
use wakering_poll_loop::{PollConfig, PollDriver};

/// Says when it begins to drain, and waits until it may. Where nobody lets it, it leaves all as it is.
pub(crate) struct Slow {
    driver: PollDriver,
    begins: mpsc::Sender<()>,
    may: mpsc::Receiver<()>,
}

impl Slow {
    /// A scheduler over one.
    pub(crate) fn start(begins: mpsc::Sender<()>, may: mpsc::Receiver<()>) -> LocalScheduler {
        let home = Arc::new(Home::new(16).unwrap());
        let driver = PollDriver::new(PollConfig::default(), home.clone()).unwrap();
        let slow = Box::new(Self { driver, begins, may });
        // SAFETY: new, and only looked at beside the driver.
        let made = unsafe { Loop::new(slow, home) };
        LocalOptions::new().with_loop(made, 4).build().unwrap()
    }
}

impl Driver for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn supports(&self, opcode: Opcode) -> bool {
        self.driver.supports(opcode)
    }

    fn enqueue(&mut self, token: Token) -> Result<(), Error> {
        self.driver.enqueue(token)
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.driver.publish()
    }

    fn turn(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        self.driver.turn(timeout, completions_max, sink)
    }

    fn cancel(&mut self, token: Token) -> Result<(), Error> {
        self.driver.cancel(token)
    }

    fn add_buffers(&mut self, group: Arc<BufferGroup>) -> Result<u16, Error> {
        self.driver.add_buffers(group)
    }

    fn drain(&mut self, deadline: Duration, sink: Sink<'_>) -> Drained {
        self.begins.send(()).unwrap();
        match self.may.recv() {
            Ok(()) => self.driver.drain(deadline, sink),
            Err(_) => Drained { still_in_flight: self.driver.in_flight() },
        }
    }

    fn poll_fd(&self) -> i32 {
        self.driver.poll_fd()
    }

    fn in_flight(&self) -> usize {
        self.driver.in_flight()
    }

    fn enters(&self) -> u64 {
        self.driver.enters()
    }
}
