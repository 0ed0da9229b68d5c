//! What a stream loses when its recv loses a select: 20,000 numbered records are sent, and each recv
//! is dropped after a few polls.

use super::drops::Recv;
use crate::contender::{Run, tell_and_leave};
use crate::measure::Measure;
use crate::one_thread::{in_a_task, yield_by_wake};
use std::future::poll_fn;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

const RECORDS: u64 = 20_000;
const PAUSE: Duration = Duration::from_micros(5);

pub fn cell<L: Recv>() -> (&'static str, Run) {
    ("lost", lost::<L>)
}

fn send_records(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket of TCP");
    for record in 0..RECORDS {
        stream.write_all(&record.to_ne_bytes()).expect("somebody reads");
        let began = Instant::now();
        while began.elapsed() < PAUSE {
            std::hint::spin_loop();
        }
    }
}

fn lost<L: Recv>(measure: &mut Measure) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let sender = TcpStream::connect(listener.local_addr().expect("bound")).expect("a listener");
    let (stream, _) = listener.accept().expect("somebody connects");
    in_a_task::<L, _>(measure, async move |mut measure: Measure| {
        let mut stream = L::stream(stream).await;
        std::thread::spawn(|| send_records(sender));
        let mut received = 0;
        for turn in 0.. {
            match recv_or_give_up::<L>(&mut stream, turn).await {
                Some(0) => break,
                Some(bytes) => received += bytes as u64,
                None => {}
            }
        }
        let sent = RECORDS * size_of::<u64>() as u64;
        measure.found(100.0 * (sent - received) as f64 / sent as f64, 0.0);
        tell_and_leave(&measure)
    });
}

/// What was received, unless the other side of the select was ready first: after a few polls, and
/// sometimes a turn of the loop. A select that is fair begins with either side.
async fn recv_or_give_up<L: Recv>(stream: &mut L::Stream, turn: usize) -> Option<usize> {
    let mut recv = pin!(L::recv(stream));
    let mut other = pin!(async {
        for _ in 0..turn % 3 {
            yield_by_wake().await;
        }
        if turn.is_multiple_of(4) {
            L::turn().await;
        }
        yield_by_wake().await;
    });
    let other_first = turn.is_multiple_of(2);
    poll_fn(|cx| {
        if other_first && other.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(bytes) = recv.as_mut().poll(cx) {
            return Poll::Ready(Some(bytes));
        }
        if !other_first && other.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}
