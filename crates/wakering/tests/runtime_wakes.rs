//! Wakes from loop to loop: none where the other is awake, one message where it sleeps.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use wakering::sync::channel::channel;
use wakering::task::{spawn_local, yield_now};
use wakering_core::abi::Opcode;
use wakering_core::driver::{Drained, Sink};
use wakering_core::scheduler::{LocalOptions, LocalScheduler, Loop};
use wakering_core::{Driver, Error, Home, Token};
use wakering_poll_loop::{PollConfig, PollDriver};

const SLOTS: u32 = 8;
const MESSAGES: u64 = 200;

/// Counts how often it rings another loop.
struct Counting {
    driver: PollDriver,
    rings: Arc<AtomicU64>,
}

impl Driver for Counting {
    fn ring(&mut self, other: &Arc<Home>) {
        self.rings.fetch_add(1, Ordering::Relaxed);
        self.driver.ring(other);
    }

    fn name(&self) -> &'static str {
        self.driver.name()
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

    fn drain(&mut self, deadline: Duration, sink: Sink<'_>) -> Drained {
        self.driver.drain(deadline, sink)
    }

    fn poll_fd(&self) -> RawFd {
        self.driver.poll_fd()
    }

    fn in_flight(&self) -> usize {
        self.driver.in_flight()
    }

    fn enters(&self) -> u64 {
        self.driver.enters()
    }
}

/// A loop of this thread, and how often it rings others.
fn a_loop() -> (LocalScheduler, Arc<AtomicU64>) {
    let home = Arc::new(Home::new(SLOTS).unwrap());
    let rings = Arc::new(AtomicU64::new(0));
    let driver = PollDriver::new(PollConfig::default(), home.clone()).unwrap();
    let driver = Box::new(Counting { driver, rings: rings.clone() });
    // SAFETY: new, and only looked at beside the driver.
    let made = unsafe { Loop::new(driver, home) };
    (LocalOptions::new().with_loop(made, 4).build().unwrap(), rings)
}

/// Sends messages to a task of another loop, each after the answer to the one before. How often that loop was
/// rung, where it is kept awake, or left to sleep between them.
fn rings_of_a_conversation(is_kept_awake: bool) -> u64 {
    let (ask, asked) = channel::<u64>(1);
    let (answer, answered) = channel::<u64>(1);
    let (ready, is_ready) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let (scheduler, _) = a_loop();
        scheduler.block_on(async {
            let over = Arc::new(AtomicBool::new(!is_kept_awake));
            let keeping = spawn_local({
                let over = over.clone();
                async move {
                    while !over.load(Ordering::Relaxed) {
                        yield_now().await;
                    }
                }
            });
            ready.send(()).unwrap();
            while let Ok(number) = asked.recv().await {
                answer.send(number).await.unwrap();
            }
            over.store(true, Ordering::Relaxed);
            keeping.await.unwrap();
        });
    });
    is_ready.recv().unwrap();
    let (scheduler, rings) = a_loop();
    let rung = scheduler.block_on(async {
        for number in 0..MESSAGES {
            if !is_kept_awake {
                // Longer than a loop looks around before it sleeps.
                std::thread::sleep(Duration::from_millis(1));
            }
            ask.send(number).await.unwrap();
            assert_eq!(answered.recv().await.unwrap(), number);
        }
        rings.load(Ordering::Relaxed)
    });
    drop(ask);
    other.join().unwrap();
    rung
}

#[test]
fn a_loop_that_is_awake_is_not_rung() {
    assert_eq!(rings_of_a_conversation(true), 0);
}

#[test]
fn a_loop_that_sleeps_is_rung_once_for_a_message() {
    let rung = rings_of_a_conversation(false);
    assert!((1..=MESSAGES).contains(&rung), "{rung} rings for {MESSAGES} messages");
}
