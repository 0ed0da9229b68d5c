//! TCP echo: messages of 64 bytes, a server here, a client in another process.
//!
//! ```text
//! this process ─ starts ─► client ── "timed" ─────► CPU time is looked at
//!   └ serves on CPU 0       on CPU 1 "counted N T" ► again; allocations are counted
//!                                    "over N" ────► told
//! ```
//!
//! On several workers neither side is bound to a CPU: they share all of them.

use super::super::client;
use crate::contender::{Run, tell_and_leave};
use crate::measure::Measure;
use crate::{counting, machine};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const MESSAGE_BYTES: usize = 64;
const BUDGET_MIN: Duration = Duration::from_millis(120);

pub trait Echo: 'static {
    /// Sends back what comes on each connection, for ever.
    fn serve(listener: TcpListener, workers: usize);
}

#[derive(Clone, Copy)]
enum What {
    Time,
    Cpu,
}

/// One thread serves.
pub fn cells<E: Echo>() -> Vec<(&'static str, Run)> {
    vec![
        ("echo_64", |measure| echo::<E>(measure, 64, What::Time)),
        ("echo_cpu_64", |measure| echo::<E>(measure, 64, What::Cpu)),
        ("echo_256", |measure| echo::<E>(measure, 256, What::Time)),
        ("echo_cpu_256", |measure| echo::<E>(measure, 256, What::Cpu)),
    ]
}

/// Workers serve that take each other's tasks.
pub fn stealing_cells<E: Echo>() -> Vec<(&'static str, Run)> {
    vec![
        ("echo_64_stealing", |measure| echo::<E>(measure, 64, What::Time)),
        ("echo_256_stealing", |measure| echo::<E>(measure, 256, What::Time)),
    ]
}

/// One thread serves, where no ring may be used: the same for those that use none anyway.
pub fn fallback_cells<E: Echo>() -> Vec<(&'static str, Run)> {
    vec![
        ("poll_echo_64", |measure| echo::<E>(measure, 64, What::Time)),
        ("poll_echo_256", |measure| echo::<E>(measure, 256, What::Time)),
    ]
}

fn echo<E: Echo>(measure: &mut Measure, connections: usize, what: What) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let workers = measure.workers();
    let budget = measure.budget().max(BUDGET_MIN);
    std::thread::spawn(move || {
        watch(&mut start_client(address, connections, workers, budget), what)
    });
    if workers == 0 {
        machine::stay_on(0);
    }
    E::serve(listener, workers.max(1));
}

fn start_client(
    address: SocketAddr,
    connections: usize,
    workers: usize,
    budget: Duration,
) -> Child {
    let myself = std::env::current_exe().expect("this program has a path");
    Command::new(myself)
        .arg(client::OPTION)
        .args([address.to_string(), connections.to_string(), workers.to_string()])
        .arg(budget.as_millis().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process can be started")
}

/// Notes at the client's words what the server has used, and ends the process after the last one.
fn watch(client: &mut Child, what: What) {
    let mut lines = BufReader::new(client.stdout.take().expect("it is a pipe")).lines();
    let mut next = || lines.next().expect("the client goes on").expect("it can be read");
    assert_eq!(next(), "timed");
    let cpu = machine::cpu();
    let counted = next();
    let cpu = machine::cpu() - cpu;
    counting::start();
    let over = next();
    let allocations = counting::stop();
    client.wait().expect("the client ends");
    let [messages, nanos] = numbers(&counted, "counted");
    let [messages_then] = numbers(&over, "over");
    let value = match what {
        What::Time => nanos / messages,
        What::Cpu => cpu.as_nanos() as f64 / messages,
    };
    let mut measure = Measure::new(Duration::ZERO, 0);
    measure.found(value, allocations as f64 / messages_then);
    tell_and_leave(&measure)
}

fn numbers<const N: usize>(line: &str, word: &str) -> [f64; N] {
    let numbers = line.strip_prefix(word).expect("the client keeps to its words");
    let numbers = numbers.split_whitespace().map(|number| number.parse().expect("a number"));
    numbers.collect::<Vec<_>>().try_into().expect("so many numbers")
}
