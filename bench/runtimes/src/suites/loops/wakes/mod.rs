//! The wake matrix: how one thread tells another, whose loop is a raw ring.
//!
//! {elided, eventfd, MSG_RING, SEND_MSG_RING, SQPOLL-sent} × receiver {busy, parked} × ring {plain,
//! DEFER}. *Busy*: the receiver only looks, and what counts is the sender's time for each message.
//! *Parked*: both sides sleep in their rings, and what counts is a round trip.

mod inbox;
mod sender;

use crate::measure::median;
use crate::suites::loops::floor::Kind;
use inbox::{Address, Inbox};
use sender::Sender;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// By what a message is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mechanism {
    /// A store that the receiver looks for: it is awake, and says so.
    Elided,
    /// A write to an eventfd, which the receiver's ring reads.
    Eventfd,
    /// An op of the sender's ring.
    MsgRing,
    /// The same for threads without a ring, from Linux 6.13 on.
    SendMsgRing,
    /// An op of a ring that a kernel thread watches.
    SqpollSent,
}

const MECHANISMS: [(Mechanism, &str); 5] = [
    (Mechanism::Elided, "elided"),
    (Mechanism::Eventfd, "eventfd"),
    (Mechanism::MsgRing, "MSG_RING"),
    (Mechanism::SendMsgRing, "SEND_MSG_RING"),
    (Mechanism::SqpollSent, "SQPOLL-sent"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Receiver {
    Busy,
    Parked,
}

const CELLS: [(Receiver, Kind); 4] = [
    (Receiver::Busy, Kind::Plain),
    (Receiver::Busy, Kind::Defer),
    (Receiver::Parked, Kind::Plain),
    (Receiver::Parked, Kind::Defer),
];

const ROUNDS: usize = 5;
const MESSAGES: u64 = 64;
const BUDGET: Duration = Duration::from_millis(15);

/// Measures all of it in alternating rounds, and prints medians.
pub fn print() {
    let mut times = vec![Vec::new(); MECHANISMS.len() * CELLS.len()];
    for _ in 0..ROUNDS {
        let mut times = times.iter_mut();
        for (mechanism, _) in MECHANISMS {
            for (receiver, kind) in CELLS {
                let found = times.next().expect("one for each");
                found.extend(measure(mechanism, receiver, kind));
            }
        }
    }
    println!(
        "\nThe wake matrix, medians of {ROUNDS} rounds: the sender's ns for a message to a busy \
         receiver; a round trip in us between parked ones.\n"
    );
    println!("| by | busy, plain | busy, DEFER | parked, plain | parked, DEFER |");
    println!("| --- | --- | --- | --- | --- |");
    for ((_, name), times) in MECHANISMS.iter().zip(times.chunks(CELLS.len())) {
        let cells = times.iter().zip(CELLS).map(|(times, (receiver, _))| shown(times, receiver));
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn shown(times: &[f64], receiver: Receiver) -> String {
    match receiver {
        _ if times.is_empty() => "–".into(),
        Receiver::Busy => format!("{:.0}", median(times.to_vec())),
        Receiver::Parked => format!("{:.1}", median(times.to_vec()) / 1e3),
    }
}

/// Nanoseconds; nothing where it cannot be, or the kernel has not got it.
fn measure(mechanism: Mechanism, receiver: Receiver, kind: Kind) -> Option<f64> {
    if (mechanism == Mechanism::Elided && receiver == Receiver::Parked)
        || (mechanism == Mechanism::SendMsgRing && !sender::can_send_without_a_ring())
    {
        return None;
    }
    // On threads of their own, with which the rings' places for descriptors go.
    let (to_receiver, receivers_end) = mpsc::channel();
    let (to_sender, senders_end) = mpsc::channel();
    let answers =
        std::thread::spawn(move || answer(mechanism, receiver, kind, to_sender, receivers_end));
    let sends = std::thread::spawn(move || match receiver {
        Receiver::Busy => send_in_rounds(mechanism, to_receiver, senders_end),
        Receiver::Parked => round_trips(mechanism, kind, to_receiver, senders_end),
    });
    let median = sends.join().expect("the sender ends");
    answers.join().expect("the receiver ends");
    Some(median)
}

/// The other side: tells its address, and takes messages until the last, which is told by its value.
fn answer(
    mechanism: Mechanism,
    receiver: Receiver,
    kind: Kind,
    tell: mpsc::Sender<Address>,
    told: mpsc::Receiver<Address>,
) {
    crate::machine::stay_on(1);
    let mut inbox = Inbox::new(mechanism, kind);
    tell.send(inbox.address()).expect("the sender waits");
    let Ok(back) = told.recv() else { return };
    match receiver {
        Receiver::Busy => while inbox.look() {},
        Receiver::Parked => {
            let mut sender = Sender::new(mechanism);
            while inbox.wait() {
                sender.send(&back);
            }
        }
    }
}

/// The sender's time alone; between rounds it waits until all have come.
fn send_in_rounds(
    mechanism: Mechanism,
    tell: mpsc::Sender<Address>,
    told: mpsc::Receiver<Address>,
) -> f64 {
    crate::machine::stay_on(0);
    let to = told.recv().expect("the receiver tells");
    tell.send(to.clone()).expect("the receiver waits");
    let mut sender = Sender::new(mechanism);
    let (mut sent, mut times, began) = (0, Vec::new(), Instant::now());
    while began.elapsed() < BUDGET {
        let round = Instant::now();
        for _ in 0..MESSAGES {
            sender.send(&to);
        }
        times.push(round.elapsed().as_nanos() as f64 / MESSAGES as f64);
        sent += MESSAGES;
        while to.received() < sent {
            std::hint::spin_loop();
        }
    }
    end(&mut sender, &to, &told);
    median(times)
}

fn round_trips(
    mechanism: Mechanism,
    kind: Kind,
    tell: mpsc::Sender<Address>,
    told: mpsc::Receiver<Address>,
) -> f64 {
    crate::machine::stay_on(0);
    let mut inbox = Inbox::new(mechanism, kind);
    tell.send(inbox.address()).expect("the receiver waits");
    let to = told.recv().expect("the receiver tells");
    let mut sender = Sender::new(mechanism);
    let (mut times, began) = (Vec::new(), Instant::now());
    while began.elapsed() < BUDGET {
        let trip = Instant::now();
        sender.send(&to);
        inbox.wait();
        times.push(trip.elapsed().as_nanos() as f64);
    }
    end(&mut sender, &to, &told);
    median(times)
}

/// Sends the last message, and stays until the receiver has gone: with the sender goes its ring, and
/// what a kernel thread had not taken from it.
fn end(sender: &mut Sender, to: &Address, told: &mpsc::Receiver<Address>) {
    to.end();
    sender.send(to);
    assert!(told.recv().is_err(), "an address is told once");
}
