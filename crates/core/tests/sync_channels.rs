//! Channels as a program uses them: the prime sieve, one task a prime, and several loops that talk.

#[path = "support/sync_ledger.rs"]
mod ledger;

use ledger::{Loop, block_on};
use std::cell::RefCell;
use std::rc::Rc;
use wakering_core::sync::channel::{self, Receiver, Sender};
use wakering_core::sync::{First2, Local, Mutex, Shared, Sharing, select};

/// Passes on what `prime` does not divide.
async fn filter<K: Sharing>(prime: u32, from: Receiver<u32, K>, to: Sender<u32, K>) {
    while let Ok(number) = from.recv().await {
        if number % prime != 0 && to.send(number).await.is_err() {
            return;
        }
    }
}

type Ends<K> = (Sender<u32, K>, Receiver<u32, K>);

/// The primes up to `last`: each prime that comes out of the chain becomes a filter in it.
fn sieve<K: Sharing>(capacity: usize, last: u32, ends: fn(usize) -> Ends<K>) -> Vec<u32> {
    let found = Rc::new(RefCell::new(Vec::new()));
    let tasks = Rc::new(Loop::default());
    let (numbers, mut chain) = ends(capacity);
    tasks.spawn(async move {
        for number in 2..=last {
            numbers.send(number).await.unwrap();
        }
    });
    let (spawner, finds) = (Rc::downgrade(&tasks), found.clone());
    tasks.spawn(async move {
        while let Ok(prime) = chain.recv().await {
            finds.borrow_mut().push(prime);
            let (to, rest) = ends(capacity);
            let from = std::mem::replace(&mut chain, rest);
            spawner.upgrade().unwrap().spawn(filter(prime, from, to));
        }
    });
    assert_eq!(tasks.run(), 0, "the close goes through the whole chain");
    found.take()
}

#[test]
fn l17_the_prime_sieve_finds_25_primes_up_to_100() {
    for capacity in [0, 1, 5] {
        for primes in [
            sieve::<Local>(capacity, 100, channel::local),
            sieve::<Shared>(capacity, 100, channel::channel),
        ] {
            assert_eq!(primes.len(), 25, "capacity {capacity}");
            assert_eq!((primes[0], primes[24]), (2, 97));
        }
    }
}

/// Every value goes round three threads; a stop ends them by a select.
#[test]
fn l19_values_go_round_threads_until_the_stop() {
    const LAPS: u32 = 1000;
    let links: Vec<_> = (0..3).map(|_| channel::channel::<u32>(0)).collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = links.into_iter().unzip();
    let (stop, stopped) = channel::channel::<()>(0);
    let laps = Mutex::<u32>::new(0);
    std::thread::scope(|scope| {
        for place in 0..3 {
            let (to, from) = (senders[(place + 1) % 3].clone(), receivers[place].clone());
            let (stop, stopped, laps) = (stop.clone(), stopped.clone(), &laps);
            scope.spawn(move || {
                block_on(async {
                    loop {
                        match select((from.recv(), stopped.recv())).await {
                            First2::A(Ok(value)) if place == 0 && value == LAPS => {
                                stop.close();
                                return;
                            }
                            First2::A(Ok(value)) => {
                                *laps.lock().await += 1;
                                to.send(value + u32::from(place == 0)).await.unwrap();
                            }
                            First2::A(Err(_)) | First2::B(_) => return,
                        }
                    }
                });
            });
        }
        block_on(senders[0].send(0)).unwrap();
    });
    assert_eq!(laps.into_inner(), 3 * LAPS);
}
