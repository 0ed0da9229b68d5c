//! Sends that do not copy: the buffer is the kernel's until it says so.

mod support;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;
use support::net::every_personality;
use support::{Lane, has, transfer};
use wakering_core::abi::Opcode;
use wakering_core::resource::{Control, Prepared};
use wakering_core::{Completion, Driver, Token};

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Turns a while; the op is not over.
fn stays_in_flight(lane: &mut Lane, token: Token) -> bool {
    for _ in 0..20 {
        lane.turn(Some(Duration::from_millis(1)));
    }
    !lane.home.slab.slot(token).is_ready(token) && lane.driver.in_flight() == 1
}

/// Over the loopback interface the bytes lie in the sender's buffer until the receiver reads them.
#[test]
fn a_slot_is_in_flight_until_the_notification() {
    for mut lane in every_personality(4) {
        if !has(&lane, Opcode::SendZc) {
            return;
        }
        let (client, mut server) = connected();
        let mut bytes = vec![0x5A; 128 * 1024];
        let token = lane.start(transfer(Opcode::SendZc, client.as_raw_fd(), &mut bytes, 0));
        assert!(stays_in_flight(&mut lane, token), "its bytes were not read yet");
        let mut came = vec![0; bytes.len()];
        let sent = {
            // As much as was sent is there; the result says how much that is.
            server.set_nonblocking(true).unwrap();
            let mut length = 0;
            while !lane.home.slab.slot(token).is_ready(token) {
                length += server.read(&mut came[length..]).unwrap_or(0);
                lane.turn(Some(Duration::from_millis(1)));
            }
            length
        };
        let result = lane.result(token);
        assert!(result > 0 && sent <= result as usize, "{result} sent, {sent} read");
        assert!(came[..sent].iter().all(|&byte| byte == 0x5A));
        assert_eq!(lane.driver.counters().stale, 0);
    }
}

/// The send is done, and its buffer still the kernel's: an end without time says so, and one with time waits.
#[test]
fn a_drain_waits_for_the_notification() {
    for mut lane in every_personality(4) {
        if !has(&lane, Opcode::SendZc) {
            return;
        }
        let (client, mut server) = connected();
        let mut bytes = vec![0x5A; 128 * 1024];
        let token = lane.start(transfer(Opcode::SendZc, client.as_raw_fd(), &mut bytes, 0));
        assert!(stays_in_flight(&mut lane, token));
        let mut results = Vec::new();
        let mut sink = |completion: Completion| results.push(completion.outcome.result);
        let drained = lane.driver.drain(Duration::ZERO, &mut sink);
        assert_eq!(drained.still_in_flight, 1, "its bytes were not read yet");
        let reading = std::thread::spawn(move || {
            let mut came = Vec::new();
            server.read_to_end(&mut came).unwrap();
            came
        });
        let drained = lane.driver.drain(Duration::from_secs(20), &mut sink);
        assert_eq!(drained.still_in_flight, 0);
        drop(client);
        assert_eq!(reading.join().unwrap().len(), results[0] as usize);
        assert_eq!(results.len(), 1);
    }
}

#[test]
fn an_error_has_no_notification() {
    for mut lane in every_personality(4) {
        if !has(&lane, Opcode::SendZc) {
            return;
        }
        let (client, _server) = connected();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut bytes = [0; 64];
        let send = transfer(Opcode::SendZc, client.as_raw_fd(), &mut bytes, 0);
        assert_eq!(lane.run(send), -libc::EPIPE);
        let (reader, _writer) = support::pipe();
        let result = lane.run(Prepared { fd: reader.as_raw_fd(), ..send });
        assert!(result == -libc::ENOTSOCK || result == -libc::EOPNOTSUPP, "{result}");
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

#[test]
fn a_message_is_sent_without_copying() {
    for mut lane in every_personality(4) {
        if !has(&lane, Opcode::SendmsgZc) {
            return;
        }
        let (client, mut server) = connected();
        let (mut head, mut tail) = (*b"head and ", *b"tail");
        let send = Prepared { fd: client.as_raw_fd(), ..Prepared::new(Opcode::SendmsgZc) };
        let token = lane.claim(send);
        lane.message(token, &[(head.as_mut_ptr(), 9), (tail.as_mut_ptr(), 4)], Control::NONE);
        lane.driver.enqueue(token).unwrap();
        lane.driver.publish().unwrap();
        let mut came = [0; 13];
        server.read_exact(&mut came).unwrap();
        assert_eq!((&came, lane.result(token)), (b"head and tail", 13));
    }
}

/// A cancel asks for the send; its buffer comes back with the notification all the same.
#[test]
fn a_cancelled_send_gives_its_buffer_back_once() {
    for mut lane in every_personality(8) {
        if !has(&lane, Opcode::SendZc) {
            return;
        }
        let (client, server) = connected();
        // So much that it has to wait for the receiver.
        let mut bytes = vec![1; 64 << 20];
        let all = libc::MSG_WAITALL as u32;
        let send = transfer(Opcode::SendZc, client.as_raw_fd(), &mut bytes, 0);
        let token = lane.start(Prepared { op_flags: all, ..send });
        assert!(stays_in_flight(&mut lane, token));
        let _ = lane.cancel(token).unwrap();
        drop(server);
        let result = lane.result(token);
        let ended = [-libc::ECANCELED, -libc::ECONNRESET, -libc::EPIPE];
        assert!(result > 0 || ended.contains(&result), "{result}");
        assert_eq!((lane.driver.in_flight(), lane.driver.counters().stale), (0, 0));
    }
}
