//! TCP echo by hand: connections are taken by one op, and each message is answered by a send that
//! completes silently and the recv of the next, published together.

use super::super::rows::{Echo, MESSAGE_BYTES};
use super::{Kind, Ring};
use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::Fd;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

pub struct Raw;

const ACCEPT: u64 = u64::MAX;
const SEND: u64 = u64::MAX - 1;

/// A connection: one buffer is received into while the other one is sent.
struct Connection {
    fd: i32,
    buffers: [*mut u8; 2],
    receiving: usize,
}

impl Connection {
    /// Its memory stays for ever.
    fn new(fd: i32) -> Self {
        let buffers = [(); 2].map(|()| [0u8; MESSAGE_BYTES].to_vec().leak().as_mut_ptr());
        Self { fd, buffers, receiving: 0 }
    }

    fn recv(&self, number: u64) -> Entry {
        let buffer = self.buffers[self.receiving];
        opcode::Recv::new(Fd(self.fd), buffer, MESSAGE_BYTES as u32).build().user_data(number)
    }

    fn send_back(&mut self, length: u32) -> Entry {
        let buffer = self.buffers[self.receiving];
        self.receiving = 1 - self.receiving;
        let send = opcode::Send::new(Fd(self.fd), buffer, length).build();
        send.flags(Flags::SKIP_SUCCESS).user_data(SEND)
    }
}

impl Echo for Raw {
    fn serve(listener: TcpListener, _: usize) {
        let mut ring = Ring::new(Kind::Defer);
        let mut connections: Vec<Connection> = Vec::new();
        let mut entries = Vec::new();
        ring.push(&opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build().user_data(ACCEPT));
        loop {
            ring.wait_for(1);
            ring.reap(|number, result, _| match number {
                ACCEPT => {
                    assert!(result >= 0, "a connection");
                    connections.push(Connection::new(result));
                    let number = connections.len() as u64 - 1;
                    entries.push(connections[number as usize].recv(number));
                }
                SEND => panic!("only what fails is told"),
                // The client has gone.
                number if result <= 0 => connections[number as usize].fd = -1,
                number => {
                    let connection = &mut connections[number as usize];
                    entries.push(connection.send_back(result as u32));
                    entries.push(connection.recv(number));
                }
            });
            entries.drain(..).for_each(|entry| ring.push(&entry));
        }
    }
}
