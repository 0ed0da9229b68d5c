//! Locks and channels between loops: who waits sits in its own ring, and is woken by a message to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wakering::sync::{Mutex, RwLock, Semaphore, channel, oneshot};
use wakering::task::{spawn_local, yield_now};
use wakering::time::sleep;
use wakering::{Builder, DriverChoice};

#[path = "support/drivers.rs"]
mod drivers;

use drivers::drivers;

fn rounds() -> u64 {
    match std::env::var("WAKERING_ROUNDS") {
        Ok(number) => number.parse().expect("WAKERING_ROUNDS is a number"),
        Err(_) => 20_000,
    }
}

/// Runs a future on each of two threads with a loop of its own.
fn on_two_threads<F: Future<Output = ()>>(builder: &Builder, future: impl Fn(u64) -> F + Sync) {
    std::thread::scope(|scope| {
        for number in 0..2 {
            let (builder, future) = (builder.clone(), &future);
            scope.spawn(move || builder.build_local().unwrap().block_on(future(number)));
        }
    });
}

#[test]
fn f11_a_contended_mutex_of_two_loops_loses_no_wake() {
    for builder in drivers() {
        let sum = Arc::new(<Mutex<u64>>::new(0));
        on_two_threads(&builder, |_| async {
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let sum = sum.clone();
                    spawn_local(async move {
                        for round in 0..rounds() / 8 {
                            let mut sum = sum.lock().await;
                            if round % 16 == 0 {
                                // So that others are in line when it is let go.
                                let _others = yield_now().await;
                            }
                            *sum += 1;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let sum = *wakering::task::block_on(sum.lock());
        assert_eq!(sum, rounds() / 8 * 8);
    }
}

#[test]
fn f11_readers_writers_and_permits_go_from_loop_to_loop() {
    for builder in drivers() {
        let (value, permits) = (<RwLock<u64>>::new(0), <Semaphore>::new(1));
        on_two_threads(&builder, |number| {
            let (value, permits) = (&value, &permits);
            async move {
                for _ in 0..rounds() / 20 {
                    let permit = permits.acquire().await;
                    if number == 0 {
                        *value.write().await += 1;
                    } else {
                        let read = value.read().await;
                        let _others = yield_now().await;
                        assert!(*read <= rounds() / 20);
                    }
                    drop(permit);
                }
            }
        });
        assert_eq!(*wakering::task::block_on(value.read()), rounds() / 20);
    }
}

#[test]
fn r7_messages_of_several_threads_come_in_order_and_once() {
    for builder in drivers() {
        let (sender, receiver) = channel::channel(8);
        let producing: Vec<_> = (0..4u64)
            .map(|producer| {
                let (sender, builder) = (sender.clone(), builder.clone());
                std::thread::spawn(move || {
                    builder.build_local().unwrap().block_on(async {
                        for number in 0..rounds() / 10 {
                            sender.send((producer, number)).await.unwrap();
                        }
                    });
                })
            })
            .collect();
        drop(sender);
        builder.build_local().unwrap().block_on(async {
            let mut next = [0; 4];
            while let Ok((producer, number)) = receiver.recv().await {
                assert_eq!(number, next[producer as usize]);
                next[producer as usize] += 1;
            }
            assert_eq!(next, [rounds() / 10; 4]);
        });
        producing.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// The number of the system call that a thread of this process is in.
fn system_call_of(thread: u64) -> Option<i64> {
    let path = format!("/proc/self/task/{thread}/syscall");
    std::fs::read_to_string(path).ok()?.split(' ').next()?.parse().ok()
}

#[test]
fn f11_who_waits_for_a_lock_sits_in_its_ring() {
    let ring =
        |builder: &Builder| builder.clone().driver(DriverChoice::Uring).build_local().is_ok();
    for builder in drivers().into_iter().filter(ring).take(1) {
        let lock = Arc::new(<Mutex<()>>::new(()));
        let (told, waits) = oneshot::channel::<u64>();
        let held = wakering::task::block_on(lock.lock());
        let (woken, seen) = (Arc::new(AtomicU64::new(0)), lock.clone());
        let waiting = std::thread::spawn({
            let woken = woken.clone();
            move || {
                builder.build_local().unwrap().block_on(async {
                    // SAFETY: it takes nothing.
                    told.send(unsafe { libc::gettid() } as u64).unwrap();
                    drop(seen.lock().await);
                    woken.store(1, Ordering::Release);
                    // It still works as a loop.
                    sleep(Duration::from_millis(1)).await;
                });
            }
        });
        let thread = wakering::task::block_on(waits).unwrap();
        let in_ring = |call: Option<i64>| call == Some(libc::SYS_io_uring_enter);
        while !in_ring(system_call_of(thread)) {
            std::thread::yield_now();
        }
        for _ in 0..100 {
            assert!(in_ring(system_call_of(thread)), "and nowhere else");
        }
        assert_eq!(woken.load(Ordering::Acquire), 0);
        drop(held);
        waiting.join().unwrap();
        assert_eq!(woken.load(Ordering::Acquire), 1);
    }
}
