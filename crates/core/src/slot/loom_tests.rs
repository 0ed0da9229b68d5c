//! Every interleaving of the transitions that may meet. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p wakering-core --release --lib loom`.

use super::*;
use loom::sync::Arc;
use loom::thread;

fn claimed() -> (Arc<Slot>, Token) {
    let slot = Arc::new(Slot::new());
    let generation = slot.claim(WakerRef::port(1)).unwrap();
    (slot, Token::new(1, generation))
}

fn outcome(result: i32) -> Outcome {
    Outcome { result, flags: 0 }
}

/// 1, then 2 and 3 on a pool thread, 4 on the owner: the outcome and the resource are seen whole.
#[test]
fn loom_f4_take_sees_what_the_completer_wrote() {
    loom::model(|| {
        let (slot, token) = claimed();
        // SAFETY: Queued, and this is the owner.
        unsafe { slot.with_resource(|resource| resource.prepared.length = 10) };
        let carrier = slot.clone();
        let thread = thread::spawn(move || {
            if carrier.publish(token) == Publish::Go {
                // SAFETY: published here, completed below.
                let length = unsafe {
                    carrier.with_resource(|resource| {
                        resource.prepared.length += 1;
                        resource.prepared.length
                    })
                };
                assert_eq!(carrier.complete(token, outcome(length as i32)), Completed::Deliver);
            }
        });
        let taken =
            slot.take(token, |taken, resource| (taken.outcome.result, resource.prepared.length));
        if let Some((result, length)) = taken {
            assert_eq!((result, length), (11, 11));
        }
        thread.join().unwrap();
        if taken.is_none() {
            assert_eq!(slot.take(token, |taken, _| taken.outcome.result), Some(11));
        }
    });
}

/// 7 on the owner against 2 on a pool thread: exactly one of them wins, and exactly one outcome
/// comes of it. The slot may be claimed anew while the pool thread still has the old token.
#[test]
fn loom_withdraw_against_publish() {
    loom::model(|| {
        let (slot, token) = claimed();
        let carrier = slot.clone();
        let thread = thread::spawn(move || match carrier.publish(token) {
            Publish::Go => {
                assert_eq!(carrier.complete(token, outcome(0)), Completed::Deliver);
                true
            }
            Publish::Gone => false,
        });
        let cancel = slot.request_cancel(token);
        let withdrawn = cancel == Cancel::Withdrawn;
        if withdrawn {
            let result = slot.take(token, |taken, _| taken.outcome.result);
            assert_eq!(result, Some(-libc::ECANCELED));
            // The next op at the same place: the late publish must not start it.
            let next = Token::new(1, slot.claim(WakerRef::NOBODY).unwrap());
            let carried = thread.join().unwrap();
            assert!(!carried);
            assert_eq!(slot.publish(next), Publish::Go);
        } else {
            assert!(matches!(cancel, Cancel::Ask | Cancel::TooLate));
            assert!(thread.join().unwrap());
            assert_eq!(slot.take(token, |taken, _| taken.outcome.result), Some(0));
        }
    });
}

/// 5 and 6 on the owner against 3: the flags never disturb the state, and no outcome is lost.
#[test]
fn loom_cancel_and_orphan_against_completion() {
    loom::model(|| {
        let (slot, token) = claimed();
        let _ = slot.publish(token);
        let kernel = slot.clone();
        let thread = thread::spawn(move || {
            assert_eq!(kernel.complete(token, outcome(9)), Completed::Deliver);
        });
        let cancel = slot.request_cancel(token);
        assert!(matches!(cancel, Cancel::Ask | Cancel::TooLate));
        let orphan = slot.orphan(token);
        assert!(matches!(orphan, Orphan::WaitForCqe | Orphan::Ready));
        assert!(!(cancel == Cancel::TooLate && orphan == Orphan::WaitForCqe));
        thread.join().unwrap();
        let taken = slot.take(token, |taken, _| taken).unwrap();
        assert!(taken.orphaned);
        assert_eq!(taken.outcome.result, 9);
    });
}
