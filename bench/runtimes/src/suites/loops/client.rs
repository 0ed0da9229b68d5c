//! The client of the echo rows: one thread, epoll, and on each connection a message as soon as the
//! last one came back.

use super::rows::MESSAGE_BYTES;
use crate::machine;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

pub const OPTION: &str = "--client";

struct Connection {
    stream: TcpStream,
    /// Of the message on its way, what has come back.
    back: usize,
}

/// What the process does: `ADDRESS CONNECTIONS WORKERS MILLISECONDS`.
pub fn serve_as_client(arguments: &[&str]) -> ! {
    let [address, connections, workers, budget_ms] = arguments else { panic!("four arguments") };
    let address = address.parse().expect("an address");
    let budget = Duration::from_millis(budget_ms.parse().expect("milliseconds"));
    if *workers == "0" {
        machine::stay_on(1);
    }
    let mut client = Client::connect(address, connections.parse().expect("a number"));
    client.run(budget / 4);
    println!("timed");
    let began = Instant::now();
    let messages = client.run(budget);
    println!("counted {messages} {}", began.elapsed().as_nanos());
    // Until the server counts its allocations.
    client.run(Duration::from_millis(2));
    println!("over {}", client.run(budget / 4));
    std::process::exit(0);
}

struct Client {
    epoll: OwnedFd,
    connections: Vec<Connection>,
}

impl Client {
    fn connect(address: SocketAddr, connections: usize) -> Self {
        let connections = (0..connections).map(|_| Connection::to(address)).collect();
        let client = Self { epoll: epoll(), connections };
        for (number, connection) in client.connections.iter().enumerate() {
            watch(&client.epoll, connection.stream.as_raw_fd(), number as u64);
        }
        client
    }

    /// Keeps all connections busy for so long. How many messages came back.
    fn run(&mut self, budget: Duration) -> u64 {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        let began = Instant::now();
        let mut messages = 0;
        while began.elapsed() < budget {
            for event in wait(&self.epoll, &mut events) {
                messages += u64::from(self.connections[event.u64 as usize].go_on());
            }
        }
        messages
    }
}

impl Connection {
    fn to(address: SocketAddr) -> Self {
        let began = Instant::now();
        // Some servers listen a moment later than they say.
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(error) if began.elapsed() > Duration::from_secs(2) => panic!("{error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        stream.set_nodelay(true).expect("a socket of TCP");
        stream.set_nonblocking(true).expect("a socket");
        let mut connection = Self { stream, back: 0 };
        connection.send();
        connection
    }

    fn send(&mut self) {
        let sent = self.stream.write(&[7; MESSAGE_BYTES]).expect("the server is there");
        assert_eq!(sent, MESSAGE_BYTES, "one message always has room");
    }

    /// Reads what is there; after a whole message it sends the next. Whether one was whole.
    fn go_on(&mut self) -> bool {
        let mut bytes = [0; MESSAGE_BYTES];
        let read = self.stream.read(&mut bytes[self.back..]).expect("it was said to be readable");
        assert_ne!(read, 0, "the server goes on");
        self.back += read;
        let whole = self.back == MESSAGE_BYTES;
        if whole {
            self.back = 0;
            self.send();
        }
        whole
    }
}

#[expect(unsafe_code, reason = "a system call")]
fn epoll() -> OwnedFd {
    // SAFETY: the call takes a number.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel just made it for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[expect(unsafe_code, reason = "a system call")]
fn watch(epoll: &OwnedFd, fd: i32, number: u64) {
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number };
    // SAFETY: the call reads an event of ours.
    let done =
        unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[expect(unsafe_code, reason = "a system call")]
fn wait<'a>(epoll: &OwnedFd, events: &'a mut [libc::epoll_event]) -> &'a [libc::epoll_event] {
    const PATIENCE_MS: i32 = 1_000;
    let room = events.len() as i32;
    // SAFETY: the kernel writes at most so many events to where they have room.
    let count =
        unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), room, PATIENCE_MS) };
    let count = usize::try_from(count).unwrap_or(0);
    assert_ne!(count, 0, "the server has fallen silent");
    &events[..count]
}
