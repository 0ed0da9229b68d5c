//! Loans, watermarks and departures, by name.

use super::*;
use crate::sync::ledger::{Drops, Hand};
use crate::sync::{Local, channel};

const MARKS: Watermarks = Watermarks { low: 1, high: 3 };

fn fifth<K: Sharing>() {
    let pool = BufferPool::<_, K>::of_bytes(4, 64, MARKS);
    let mut loans: Vec<_> = (0..4).map(|_| pool.try_get().unwrap()).collect();
    assert!(pool.try_get().is_none());
    let mut fifth = Hand::waiting(pool.get());
    let mut sixth = Hand::waiting(pool.get());
    loans[2][0] = 9;
    loans.remove(2).put();
    assert_eq!((fifth.wakes(), sixth.wakes()), (1, 0), "a put wakes one, the first in line");
    assert!(pool.try_get().is_none());
    assert!(sixth.poll().is_none());
    assert_eq!(fifth.poll().unwrap()[0], 9, "the very buffer that was put, put back at once");
    assert_eq!(sixth.wakes(), 1);
    drop(sixth);
    assert_eq!((pool.free(), pool.waiting()), (1, 0));
}

#[test]
fn l23_the_fifth_get_waits_and_put_wakes_one_in_order() {
    fifth::<Local>();
    fifth::<Shared>();
}

#[test]
fn l23_watermarks_are_told_on_crossing() {
    let pool = BufferPool::<_, Local>::of_bytes(4, 64, MARKS);
    assert_eq!(pool.pressure(), Pressure::Ample);
    let mut scarce = Hand::waiting(pool.until(Pressure::Scarce));
    let mut also = Hand::waiting(pool.until(Pressure::Scarce));
    let mut loans = vec![pool.try_get().unwrap(), pool.try_get().unwrap()];
    assert_eq!(scarce.wakes(), 0);
    loans.push(pool.try_get().unwrap());
    assert_eq!((scarce.wakes(), also.wakes()), (1, 1));
    assert_eq!((scarce.poll(), also.poll()), (Some(()), Some(())));
    let mut ample = Hand::waiting(pool.until(Pressure::Ample));
    loans.pop();
    assert_eq!((pool.free(), ample.wakes()), (2, 0), "between the marks it stays as it was");
    assert!(Hand::new(pool.until(Pressure::Scarce)).poll().is_some());
    loans.pop();
    assert_eq!((ample.wakes(), ample.poll()), (1, Some(())));
    assert_eq!(pool.pressure(), Pressure::Ample);
}

#[test]
fn l23_a_cancelled_get_keeps_no_buffer() {
    let pool = BufferPool::<_, Shared>::of_bytes(1, 64, Watermarks { low: 0, high: 1 });
    let loan = pool.try_get().unwrap();
    let first = Hand::waiting(pool.get());
    let mut second = Hand::waiting(pool.get());
    loan.put();
    drop(first);
    assert_eq!(second.wakes(), 1);
    drop(second.poll().unwrap());
    assert_eq!(pool.free(), 1);
}

#[test]
fn l23_a_loan_outlives_the_pools_name_and_goes_to_other_tasks() {
    let drops = Drops::default();
    let pool = BufferPool::<_, Shared>::new([drops.item()], Watermarks { low: 0, high: 1 });
    let (sender, receiver) = channel(1);
    assert!(sender.try_send(pool.try_get().unwrap()).is_ok());
    drop(pool);
    let loan = std::thread::spawn(move || receiver.try_recv().unwrap()).join().unwrap();
    assert_eq!(loan.pool().free(), 0);
    assert_eq!(drops.count(), 0);
    drop(loan);
    assert_eq!(drops.count(), 1);
}

#[test]
#[should_panic(expected = "the high watermark lies above the low one")]
fn marks_that_meet_panic() {
    let _ = BufferPool::<_, Local>::of_bytes(4, 1, Watermarks { low: 2, high: 2 });
}
