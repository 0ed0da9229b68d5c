//! Tasks on a loop where everything goes wrong that may: ops fail, take long, are refused; their
//! futures are dropped on their way and their tasks aborted. Each op is answered once, and in the end
//! nothing is left. The seed is printed; `WAKERING_SIM_SEED` runs one again.

#![expect(clippy::print_stderr, reason = "the seed is printed, so that a failure can be run again")]

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use wakering_core::abi::ErrorKind;
use wakering_core::driver::sim::{ERRORS, Faults, SimDriver};
use wakering_core::random::Random;
use wakering_core::scheduler::{LocalOptions, LocalScheduler, Loop, Nop, Ops};
use wakering_core::slot::Outcome;
use wakering_core::task::{spawn_local, yield_now};
use wakering_core::{Error, Home};

const SLOTS: u32 = 8;
const TASKS: u64 = 12;
const OPS: u64 = 20;

/// What came of all ops.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    done: u64,
    failed: u64,
    refused: u64,
    dropped: u64,
    aborted: u64,
}

impl Tally {
    fn note(&mut self, outcome: Result<Outcome, Error>) {
        match outcome {
            Ok(Outcome { result: 0, .. }) => self.done += 1,
            Ok(Outcome { result, .. }) => {
                // Nobody cancels an op whose future is awaited.
                assert!(ERRORS.contains(&-result), "{result}");
                self.failed += 1;
            }
            Err(error) => {
                assert_eq!(error, Error::Kind(ErrorKind::Busy));
                self.refused += 1;
            }
        }
    }
}

fn faulty_loop(seed: u64) -> (LocalScheduler, Arc<Home>) {
    let mut random = Random::new(seed ^ 0xFA17);
    let mut often = || [0, 8, 64, 200][random.below(4) as usize];
    let faults = Faults { failed: often(), delayed: often(), refused: often(), unheard: often() };
    let home = Arc::new(Home::new(SLOTS).unwrap());
    let driver = SimDriver::new(home.clone(), seed, 4, 4).with_faults(faults);
    let lifo = LocalOptions::new().lifo(seed.is_multiple_of(2));
    // SAFETY: new, and only looked at beside the driver.
    let made = unsafe { Loop::new(Box::new(driver), home.clone()) };
    (lifo.with_loop(made, 2).build().unwrap(), home)
}

/// A task that starts ops, awaits most of them and drops the others on their way.
async fn busy(ops: Ops, mut random: Random, tally: Rc<RefCell<Tally>>) {
    for _ in 0..OPS {
        let mut op = Box::pin(ops.start(Nop));
        if random.below(4) == 0 {
            let polls = random.below(4);
            for _ in 0..polls {
                let polled = poll_fn(|cx| Poll::Ready(op.as_mut().poll(cx))).await;
                if let Poll::Ready(outcome) = polled {
                    tally.borrow_mut().note(outcome);
                    break;
                }
                yield_now().await;
            }
            drop(op);
            tally.borrow_mut().dropped += 1;
        } else {
            let outcome = op.await;
            tally.borrow_mut().note(outcome);
        }
        if random.below(8) == 0 {
            yield_now().await;
        }
    }
}

fn run(seed: u64) -> Tally {
    let (scheduler, home) = faulty_loop(seed);
    let ops = scheduler.ops().unwrap().clone();
    let tally = Rc::new(RefCell::new(Tally::default()));
    let (counted, shared) = (tally.clone(), ops.clone());
    scheduler.block_on(async move {
        let mut random = Random::new(seed);
        let start = |number| {
            let random = Random::new(seed * TASKS + number);
            spawn_local(busy(shared.clone(), random, counted.clone()))
        };
        let joins: Vec<_> = (0..TASKS).map(start).collect();
        for join in joins {
            if random.below(4) == 0 {
                for _ in 0..random.below(30) {
                    yield_now().await;
                }
                join.abort();
            }
            if let Err(error) = join.await {
                assert!(error.is_cancelled(), "{error}");
                counted.borrow_mut().aborted += 1;
            }
        }
        // What was dropped is still under way: its slots come back when the loop lets go.
        while shared.in_flight() > 0 {
            yield_now().await;
        }
    });
    assert_eq!((home.slab.in_use().count(), ops.in_flight()), (0, 0));
    *tally.borrow()
}

#[test]
fn f21_ops_of_tasks_end_once_whatever_goes_wrong() {
    let seeds = match std::env::var("WAKERING_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("WAKERING_SIM_SEED is a number")],
        Err(_) => (0..3_000).collect(),
    };
    let many = seeds.len() > 1;
    let mut total = Tally::default();
    for seed in seeds {
        eprintln!("seed {seed}");
        let tally = run(seed);
        total.done += tally.done;
        total.failed += tally.failed;
        total.refused += tally.refused;
        total.dropped += tally.dropped;
        total.aborted += tally.aborted;
    }
    let Tally { done, failed, refused, dropped, aborted } = total;
    let all = [done, failed, refused, dropped, aborted];
    assert!(!many || all.iter().all(|&count| count > 0), "each has come about: {total:?}");
}
