//! Cancelling a task that is being polled, from another thread and from within: FEATURES V12. What a
//! callback is elsewhere is here the poll that follows a completion.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use wakering::cancel::{CancelToken, with_cancel};
use wakering::sync::oneshot;
use wakering::task::{block_on, yield_now};
use wakering::time::sleep;
use wakering::{Runtime, scope};

#[path = "support/drivers.rs"]
mod drivers;

use drivers::drivers;

/// Marks that the poll in which it lies has come to an end.
struct InPoll(Arc<AtomicBool>);

impl InPoll {
    fn begin(flag: &Arc<AtomicBool>) -> Self {
        flag.store(true, Ordering::SeqCst);
        Self(flag.clone())
    }
}

impl Drop for InPoll {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

fn runtimes() -> Vec<Runtime> {
    drivers().into_iter().map(|builder| builder.workers(2).build().unwrap()).collect()
}

/// The abort itself waits for nobody; who then awaits the task has what the cancel of a callback promises:
/// it runs no more.
#[test]
fn v12_who_awaits_a_task_that_was_aborted_comes_back_after_its_poll() {
    for runtime in runtimes() {
        for round in 0..200 {
            let polled = Arc::new(AtomicBool::new(false));
            let polls = Arc::new(AtomicU32::new(0));
            let task = runtime.spawn({
                let (polled, polls) = (polled.clone(), polls.clone());
                async move {
                    loop {
                        {
                            let _in_poll = InPoll::begin(&polled);
                            polls.fetch_add(1, Ordering::SeqCst);
                            (0..round * 20).for_each(|_| std::hint::spin_loop());
                        }
                        // After a completion of the loop's, every other time.
                        match round % 2 {
                            0 => drop(yield_now().await),
                            _ => drop(sleep(Duration::from_nanos(1)).await),
                        }
                    }
                }
            });
            while polls.load(Ordering::SeqCst) < 1 + round % 3 {
                std::thread::yield_now();
            }
            task.abort();
            assert!(block_on(task).unwrap_err().is_cancelled());
            assert!(!polled.load(Ordering::SeqCst), "it is polled still");
            let before = polls.load(Ordering::SeqCst);
            std::thread::yield_now();
            assert_eq!(polls.load(Ordering::SeqCst), before, "it was polled again");
        }
    }
}

/// No deadlock, and no end in the middle of a poll: it goes on until it awaits something.
#[test]
fn v12_a_task_that_aborts_itself_goes_on_to_its_next_await() {
    for runtime in runtimes() {
        for _ in 0..200 {
            let (tell, told) = oneshot::channel();
            let went_on = Arc::new(AtomicBool::new(false));
            let task = runtime.spawn({
                let went_on = went_on.clone();
                async move {
                    let me: wakering::task::AbortHandle = told.await.unwrap();
                    me.abort();
                    me.abort();
                    went_on.store(true, Ordering::SeqCst);
                    sleep(Duration::from_secs(3600)).await;
                    unreachable!("it was aborted");
                }
            });
            assert!(tell.send(task.abort_handle()).is_ok());
            assert!(block_on(task).unwrap_err().is_cancelled());
            assert!(went_on.load(Ordering::SeqCst));
        }
    }
}

#[test]
fn v12_a_token_and_a_scope_are_cancelled_from_within() {
    for runtime in runtimes() {
        let task = runtime.spawn(async {
            let token = CancelToken::new();
            let within = token.clone();
            let answer = with_cancel(&token, async move {
                within.cancel();
                let refused = wakering::fs::File::open("/proc/self/exe").await.unwrap_err();
                (refused.raw_os_error(), 7)
            });
            assert_eq!(answer.await, (Some(libc::ECANCELED), 7));
            let inner = scope(async |scope| {
                let own = scope.clone();
                let cancelling = scope.spawn(async move {
                    own.cancel();
                    sleep(Duration::from_secs(3600)).await;
                });
                cancelling.await.unwrap_err().is_cancelled()
            });
            assert!(inner.await);
        });
        block_on(task).unwrap();
    }
}
