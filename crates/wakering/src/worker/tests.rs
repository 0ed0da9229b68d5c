//! The two sides without a kernel between them.

use super::*;
use wakering_core::Driver;
use wakering_core::abi::Opcode;
use wakering_core::driver::{Drained, Sink};
use wakering_core::inbox::InboxReader;
use wakering_core::waker::WakerRef;

fn take_all(shared: &Shared) -> usize {
    let mut taken = 0;
    while shared.orders.try_recv().is_ok() {
        shared.call_if_more();
        taken += 1;
    }
    taken
}

#[test]
fn a_lane_with_more_orders_than_there_is_room_for_is_called_again() {
    let home = Arc::new(Home::new(2).unwrap());
    let mut worker = WorkerLoop::without_thread(&home);
    let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
    for _ in 0..4 {
        worker.enqueue(token).unwrap();
    }
    worker.publish();
    worker.enqueue(token).unwrap();
    worker.publish();
    assert_eq!(worker.waiting.len(), 1);
    assert!(!home.doorbell.clear());
    assert_eq!(take_all(&worker.shared), 4);
    assert!(home.doorbell.clear(), "the lane has to come again");
    worker.publish();
    assert_eq!((worker.waiting.len(), take_all(&worker.shared)), (0, 1));
    assert!(!home.doorbell.clear(), "there was room for all");
}

/// A loop that takes ops and fails when it is to carry them out.
struct Failing {
    taken: usize,
}

impl Driver for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }
    fn supports(&self, _opcode: Opcode) -> bool {
        true
    }
    fn enqueue(&mut self, _token: Token) -> Result<(), Error> {
        self.taken += 1;
        Ok(())
    }
    fn publish(&mut self) -> Result<(), Error> {
        Err(Error::Os(libc::EIO))
    }
    fn turn(&mut self, _: Option<Duration>, _: usize, _: Sink<'_>) -> Result<usize, Error> {
        match self.taken {
            0 => Ok(0),
            _ => Err(Error::Os(libc::EIO)),
        }
    }
    fn cancel(&mut self, _token: Token) -> Result<(), Error> {
        self.publish()
    }
    fn drain(&mut self, _deadline: Duration, _sink: Sink<'_>) -> Drained {
        Drained { still_in_flight: self.taken }
    }
    fn poll_fd(&self) -> std::os::fd::RawFd {
        -1
    }
    fn in_flight(&self) -> usize {
        self.taken
    }
    fn enters(&self) -> u64 {
        0
    }
}

#[test]
fn a_ring_that_is_lost_leaves_no_op_without_an_answer_but_those_that_it_has() {
    let home = Arc::new(Home::new(4).unwrap());
    let mut worker = WorkerLoop::without_thread(&home);
    let tokens = [0, 1, 2, 3].map(|index| home.slab.claim_at(index, WakerRef::NOBODY).unwrap());
    for token in tokens {
        worker.enqueue(token).unwrap();
    }
    worker.cancel(tokens[0]).unwrap();
    // Taken back before the worker came to it.
    let _ = home.slab.slot(tokens[1]).request_cancel(tokens[1]);
    worker.stop();
    let scheduler =
        carrier::scheduler(Box::new(Failing { taken: 0 }), Arc::new(Home::new(4).unwrap()));
    carrier::run(&worker.shared, &scheduler.unwrap());
    assert!(home.doorbell.clear());
    let mut reader = InboxReader::new();
    for token in [tokens[2], tokens[3]] {
        let answer = home.next_delivery(&mut reader).unwrap();
        assert_eq!((answer.token, answer.outcome.result), (token, -libc::EIO));
    }
    assert!(home.next_delivery(&mut reader).is_none());
    assert!(!home.slab.slot(tokens[0]).is_ready(tokens[0]), "the ring had that one");
}
