//! The parts of the scheduler together, on real threads.

#[path = "support/workers.rs"]
mod workers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use workers::{Crew, nodes, until};

fn burn(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn sum(counts: &[AtomicUsize]) -> usize {
    counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
}

/// Two threads push bursts with pauses of every length between them, and each item pushes others:
/// every one runs once, and the workers fall asleep and wake up thousands of times meanwhile.
#[test]
fn t9_every_item_runs_once() {
    const ROOTS: usize = 20_000;
    const CHILDREN: usize = 9;
    let all = nodes(ROOTS * (CHILDREN + 1));
    let crew = Crew::new(
        4,
        Box::new(move |worker, node| {
            if node.number < ROOTS {
                let first = ROOTS + node.number * CHILDREN;
                all[first..first + CHILDREN].iter().for_each(|child| worker.push(child));
            }
        }),
    );
    thread::scope(|scope| {
        for roots in all[..ROOTS].chunks(ROOTS / 2) {
            let shared = crew.shared.clone();
            scope.spawn(move || {
                let mut left = roots;
                let mut burst = 1;
                while !left.is_empty() {
                    let (now, rest) = left.split_at(burst.min(left.len()));
                    now.iter().for_each(|node| shared.push(node));
                    left = rest;
                    burst = burst * 3 % 101;
                    burn(Duration::from_micros(burst as u64 * 2));
                }
            });
        }
    });
    until(|| sum(&crew.shared.ran) == all.len());
    crew.rest();
    let shared = crew.end();
    assert!(all.iter().all(|node| node.ran.load(Ordering::Relaxed) == 1));
    assert!(shared.woken.load(Ordering::Relaxed) <= shared.chosen.load(Ordering::Relaxed));
}

/// A thousand items on one worker's queue, of which it runs none before the others are there.
#[test]
fn t4_a_thousand_items_on_one_worker_keep_four_busy() {
    const ITEMS: usize = 1000;
    let all = nodes(1 + ITEMS);
    let crew = Crew::new(
        4,
        Box::new(move |worker, node| {
            if node.number == 0 {
                all[1..].iter().for_each(|node| worker.push(node));
            } else {
                burn(Duration::from_micros(50));
            }
        }),
    );
    crew.rest();
    crew.shared.push(&all[0]);
    until(|| sum(&crew.shared.ran) == all.len());
    let shared = crew.end();
    let ran: Vec<_> = shared.ran.iter().map(|ran| ran.load(Ordering::Relaxed)).collect();
    assert!(ran.iter().all(|&ran| ran > 0), "{ran:?}");
    // 1000 into a ring of 256: every 129th after the 256th overflows, or less often where thieves
    // were quick.
    assert!((1..=6).contains(&shared.overflows.load(Ordering::Relaxed)));
}

/// One push into a crew that sleeps: one worker is chosen, with one system call, and no second one
/// because of it.
#[test]
fn t5_one_push_is_one_wake() {
    let all = nodes(200);
    let crew = Crew::new(4, Box::new(|_, _| ()));
    for (round, node) in all.iter().enumerate() {
        crew.rest();
        crew.shared.push(node);
        until(|| sum(&crew.shared.ran) == round + 1);
        crew.rest();
        assert!(crew.shared.chosen.load(Ordering::Relaxed) <= round + 1);
    }
    let shared = crew.end();
    assert!(shared.woken.load(Ordering::Relaxed) <= shared.chosen.load(Ordering::Relaxed));
    assert!(all.iter().all(|node| node.ran.load(Ordering::Relaxed) == 1));
}

/// Nanoseconds that a thread has spent on a CPU.
fn cpu_time(thread: usize) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat"));
    stat.unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// After 50 ms without work the workers cost nothing, whatever they were used to before.
#[test]
fn t5_idle_workers_cost_nothing() {
    let all = nodes(2000);
    let crew = Crew::new(2, Box::new(|_, _| ()));
    for node in all {
        crew.shared.push(node);
        burn(Duration::from_micros(3));
    }
    until(|| sum(&crew.shared.ran) == all.len());
    thread::sleep(Duration::from_millis(50));
    let spent = || -> u64 {
        let threads = crew.shared.threads.iter();
        threads.map(|thread| cpu_time(thread.load(Ordering::Relaxed))).sum()
    };
    let before = spent();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(spent() - before, 0);
    crew.end();
}
