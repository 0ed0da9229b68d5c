//! A recv that nobody waits for any more.
//!
//! *In flight*: 32 of them are polled once, the loop has its turn, all are dropped, and the loop has
//! its turn again, in which the kernel lets go of them. *Polled and dropped*: each before the loop
//! had a turn, which it has after 128 of them; a runtime that waits for readiness, or whose stream
//! keeps the op, has nothing to cancel then.

use crate::contender::{Run, tell_and_leave};
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task};
use std::future::poll_fn;
use std::net::{TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::task::Poll;

/// A runtime whose loop can be given a turn.
pub trait Turn: OneThread {
    /// Ends after the loop has published what it had, and has looked at what was answered.
    fn turn() -> impl Future<Output = ()>;
}

pub trait Recv: Turn {
    type Stream: 'static;
    fn stream(stream: TcpStream) -> impl Future<Output = Self::Stream>;
    /// How many bytes came, none at the stream's end.
    fn recv(stream: &mut Self::Stream) -> impl Future<Output = usize>;
}

const TURN_EVERY: usize = 128;
const IN_FLIGHT: usize = 32;
const ROUNDS: usize = 8;

/// For those that have ops to cancel.
pub fn in_flight_cell<L: Recv>() -> (&'static str, Run) {
    ("recv_in_flight", in_flight::<L>)
}

pub fn unsubmitted_cell<L: Recv>() -> (&'static str, Run) {
    ("recv_unsubmitted", unsubmitted::<L>)
}

/// The two ends of a connection, on which nobody ever sends.
fn silent() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let one = TcpStream::connect(address).expect("somebody listens");
    (one, listener.accept().expect("somebody connects").0)
}

fn in_flight<L: Recv>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, async |mut measure: Measure| {
        let (mut streams, mut others) = (Vec::new(), Vec::new());
        for _ in 0..IN_FLIGHT {
            let (one, other) = silent();
            streams.push(L::stream(one).await);
            others.push(other);
        }
        measure
            .run_async((IN_FLIGHT * ROUNDS) as u64, async || {
                for _ in 0..ROUNDS {
                    drop_in_flight::<L>(&mut streams).await;
                }
            })
            .await;
        tell_and_leave(&measure)
    });
}

async fn drop_in_flight<L: Recv>(streams: &mut [L::Stream]) {
    {
        let mut recvs = pin!([const { None }; IN_FLIGHT]);
        for (place, stream) in streams.iter_mut().enumerate() {
            poll_once(put(recvs.as_mut(), place, L::recv(stream))).await;
        }
        L::turn().await;
    }
    L::turn().await;
}

async fn poll_once<F: Future>(mut recv: Pin<&mut F>) {
    let polled = poll_fn(|cx| Poll::Ready(recv.as_mut().poll(cx))).await;
    assert!(polled.is_pending(), "nobody sends");
}

/// Puts a future at a place of a pinned array, where it stays.
#[expect(unsafe_code, reason = "no safe way leads from a pinned array to its parts")]
fn put<F>(array: Pin<&mut [Option<F>; IN_FLIGHT]>, place: usize, future: F) -> Pin<&mut F> {
    // SAFETY: nothing is moved out of the array, here or by the caller, who can only drop it.
    let array = unsafe { array.get_unchecked_mut() };
    // SAFETY: the array is pinned, and with it the future that was just put into it.
    unsafe { Pin::new_unchecked(array[place].insert(future)) }
}

fn unsubmitted<L: Recv>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, async |mut measure: Measure| {
        let (one, _other) = silent();
        let mut stream = L::stream(one).await;
        measure
            .run_async((TURN_EVERY * ROUNDS) as u64, async || {
                for _ in 0..ROUNDS {
                    for _ in 0..TURN_EVERY {
                        poll_once(pin!(L::recv(&mut stream))).await;
                    }
                    L::turn().await;
                }
            })
            .await;
        tell_and_leave(&measure)
    });
}
