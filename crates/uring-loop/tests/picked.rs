//! Buffers that are picked when there is something to put into them, and ops that go on.

mod support;

use std::collections::VecDeque;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use support::net::{every_personality, socket_address};
use support::{Lane, alone, open_fds, pipe, skip, transfer, write_to};
use wakering_core::abi::{Opcode, completion_flag, io_flag, op_flag};
use wakering_core::buffers::{BufferGroup, PickedBuffer};
use wakering_core::resource::{Control, Prepared};
use wakering_core::slot::Outcome;
use wakering_core::{Driver, Error, Token};

/// Lanes with a group of so many buffers, or printed reasons.
fn lanes(count: u16, bytes_each: u32) -> Vec<(Lane, Arc<BufferGroup>, u16)> {
    let with_group = |mut lane: Lane| {
        let group = BufferGroup::new(count, bytes_each);
        match lane.driver.add_buffers(group.clone()) {
            Ok(number) => Some((lane, group, number)),
            Err(error) => {
                skip(format_args!("no group of buffers: {error:?}"));
                None
            }
        }
    };
    every_personality(8).into_iter().filter_map(with_group).collect()
}

fn available(lane: &Lane, name: &str) -> bool {
    let features = lane.driver.features();
    let feature = features.iter().find(|feature| feature.name == name).expect("a known feature");
    if let Some(reason) = &feature.reason {
        skip(format_args!("{name}: {reason}"));
    }
    feature.available
}

fn number_of(outcome: Outcome) -> u16 {
    assert_ne!(outcome.flags & completion_flag::PICKED, 0, "{outcome:?}");
    (outcome.flags >> completion_flag::PICKED_SHIFT) as u16
}

/// The bytes of a completion that picked one buffer.
fn take(group: &Arc<BufferGroup>, outcome: Outcome) -> PickedBuffer {
    let length = u32::try_from(outcome.result).expect("bytes");
    // SAFETY: the driver named this buffer, once.
    unsafe { group.take(number_of(outcome), length) }
}

/// The next answer of an op, and whether there are more to come.
fn next(lane: &mut Lane, token: Token) -> (Outcome, bool) {
    loop {
        if let Some(place) = lane.done.iter().position(|(done, _)| *done == token) {
            let (_, outcome) = lane.done.remove(place);
            return (outcome, outcome.flags & completion_flag::MORE != 0);
        }
        lane.turn(Some(Duration::from_secs(10)));
    }
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nodelay(true).unwrap();
    (client, listener.accept().unwrap().0)
}

fn receiving(opcode: Opcode, fd: RawFd, group: u16) -> Prepared {
    Prepared { fd, group, flags: op_flag::MULTISHOT, ..Prepared::new(opcode) }
}

#[test]
fn one_receive_and_one_read_pick_a_buffer_each() {
    let _alone = alone();
    for (mut lane, group, number) in lanes(4, 64) {
        let (mut client, server) = connected();
        client.write_all(b"picked").unwrap();
        let recv = Prepared { flags: 0, ..receiving(Opcode::Recv, server.as_raw_fd(), number) };
        let token = lane.start(recv);
        let (outcome, more) = next(&mut lane, token);
        assert!(!more);
        lane.take(token);
        assert_eq!(*take(&group, outcome), *b"picked");
        let (reader, writer) = pipe();
        write_to(&writer, b"by a read");
        let offset = u64::MAX;
        let read =
            Prepared { offset, flags: 0, ..receiving(Opcode::Read, reader.as_raw_fd(), number) };
        let token = lane.start(read);
        let (outcome, _) = next(&mut lane, token);
        lane.take(token);
        assert_eq!(*take(&group, outcome), *b"by a read");
        lane.driver.remove_buffers(number);
        let token = lane.start(recv);
        client.write_all(b"no more").unwrap();
        let (outcome, _) = next(&mut lane, token);
        assert_eq!(outcome, Outcome { result: -libc::ENOBUFS, flags: 0 });
        lane.take(token);
    }
}

/// With fewer buffers than bytes the op ends with ENOBUFS; what is given back is used again.
#[test]
fn a_receive_goes_on_until_the_buffers_are_out() {
    let _alone = alone();
    for (mut lane, group, number) in lanes(4, 8) {
        if !available(&lane, "multishot_recv") {
            return;
        }
        let (mut client, server) = connected();
        let sent: Vec<u8> = (0..64u32 * 8).map(|byte| byte as u8).collect();
        let mut came = Vec::new();
        let mut held = VecDeque::new();
        let mut token = lane.start(receiving(Opcode::Recv, server.as_raw_fd(), number));
        let (mut starved, mut ended) = (0, 0);
        client.write_all(&sent).unwrap();
        while came.len() < sent.len() {
            let (outcome, more) = next(&mut lane, token);
            if outcome.result == -libc::ENOBUFS {
                starved += 1;
                assert!(!more && outcome.flags & completion_flag::PICKED == 0);
                assert_eq!(held.len(), 4, "all of them are held");
            } else {
                let picked = take(&group, outcome);
                came.extend_from_slice(&picked);
                held.push_back(picked);
            }
            if !more {
                ended += 1;
                lane.take(token);
                // Given back from another thread, and armed again.
                let given = std::mem::take(&mut held);
                std::thread::spawn(move || drop(given)).join().unwrap();
                token = lane.start(receiving(Opcode::Recv, server.as_raw_fd(), number));
            }
        }
        assert_eq!(came, sent);
        assert!(starved > 0 && ended >= starved, "{starved} times without a buffer");
        held.clear();
        drop(client);
        loop {
            let (outcome, more) = next(&mut lane, token);
            if outcome.flags & completion_flag::PICKED != 0 {
                // SAFETY: it was picked for this completion.
                unsafe { group.give_back(number_of(outcome)) };
            }
            if !more {
                break;
            }
        }
        lane.take(token);
        assert_eq!((lane.driver.in_flight(), lane.driver.counters().stale), (0, 0));
    }
}

/// One completion for several buffers, in the order in which they were lent.
#[test]
fn a_bundle_fills_the_buffers_that_follow() {
    let _alone = alone();
    for (mut lane, group, number) in lanes(8, 16) {
        if !available(&lane, "bundles") {
            return;
        }
        let (mut client, server) = connected();
        let recv = receiving(Opcode::Recv, server.as_raw_fd(), number);
        let bundle = Prepared { extra: [io_flag::BUNDLE, 0], ..recv };
        let mut token = lane.start(bundle);
        lane.turn(Some(Duration::ZERO));
        let mut bundles = 0;
        for round in 0..200usize {
            // Lengths that end in the middle of a buffer, so that the order is soon another.
            let length = 1 + round * 7 % 100;
            let sent: Vec<u8> = (0..length).map(|byte| (byte + round) as u8).collect();
            client.write_all(&sent).unwrap();
            let mut came = Vec::new();
            let mut used = Vec::new();
            while came.len() < length {
                let (outcome, more) = next(&mut lane, token);
                if outcome.result > 0 {
                    let mut left = outcome.result as u32;
                    let mut buffer = Some(number_of(outcome));
                    bundles += usize::from(left > 16);
                    while left > 0 {
                        let this = buffer.expect("a buffer that follows");
                        let here = left.min(16);
                        // SAFETY: the bundle fills the buffers in the order in which they were lent.
                        let picked = unsafe { group.take(this, here) };
                        came.extend_from_slice(&picked);
                        used.push(picked);
                        left -= here;
                        buffer = group.following(this);
                    }
                } else {
                    assert_eq!(outcome.result, -libc::ENOBUFS);
                }
                if !more {
                    lane.take(token);
                    // In another order than they were lent in.
                    used.reverse();
                    used.clear();
                    token = lane.start(bundle);
                }
            }
            assert_eq!(came, sent, "round {round}");
            used.reverse();
        }
        assert!(bundles > 0, "none had several buffers");
        let _ = lane.cancel(token).unwrap();
        while next(&mut lane, token).1 {}
        lane.take(token);
    }
}

#[test]
fn an_accept_goes_on_and_a_cancel_ends_it() {
    let _alone = alone();
    for mut lane in every_personality(8) {
        if !available(&lane, "multishot_accept") {
            return;
        }
        let fds = open_fds();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let many = Prepared {
            fd: listener.as_raw_fd(),
            flags: op_flag::MULTISHOT,
            ..Prepared::new(Opcode::Accept)
        };
        let token = lane.start(many);
        lane.turn(Some(Duration::ZERO));
        let mut connections = Vec::new();
        for _ in 0..20 {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (outcome, more) = next(&mut lane, token);
            assert!(more && outcome.result >= 0, "{outcome:?}");
            // SAFETY: the op made it for us.
            let server = TcpStream::from(unsafe { OwnedFd::from_raw_fd(outcome.result) });
            assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
            connections.push((client, server));
        }
        let _ = lane.cancel(token).unwrap();
        let (outcome, more) = next(&mut lane, token);
        assert_eq!((outcome.result, more), (-libc::ECANCELED, false));
        lane.take(token);
        drop((connections, listener));
        assert_eq!((open_fds(), lane.driver.in_flight()), (fds, 0));
    }
}

#[test]
fn a_read_and_a_timeout_go_on() {
    let _alone = alone();
    for (mut lane, group, number) in lanes(4, 16) {
        if available(&lane, "multishot_read") {
            let (reader, writer) = pipe();
            let offset = u64::MAX;
            let read = receiving(Opcode::Read, reader.as_raw_fd(), number);
            let token = lane.start(Prepared { offset, ..read });
            for round in 0..20u8 {
                write_to(&writer, &[round; 3]);
                let (outcome, more) = next(&mut lane, token);
                assert!(more);
                assert_eq!(*take(&group, outcome), [round; 3]);
            }
            drop(writer);
            while next(&mut lane, token).1 {}
            lane.take(token);
        }
        if available(&lane, "multishot_timeout") {
            let flags = op_flag::MULTISHOT;
            let every_ms = Prepared { offset: 1_000_000, flags, ..Prepared::new(Opcode::Timeout) };
            let token = lane.start(every_ms);
            for _ in 0..5 {
                let (outcome, more) = next(&mut lane, token);
                assert!(more && outcome.result == -libc::ETIME, "{outcome:?}");
            }
            let _ = lane.cancel(token).unwrap();
            while next(&mut lane, token).1 {}
            lane.take(token);
        }
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

/// A datagram's head, sender and bytes lie in the picked buffer, one behind the other.
#[test]
fn messages_go_on_with_their_senders() {
    let _alone = alone();
    const HEAD: usize = 16;
    const NAME: usize = wakering_core::resource::ADDRESS_BYTES_MAX;
    for (mut lane, group, number) in lanes(4, 256) {
        if !available(&lane, "multishot_recv") {
            return;
        }
        let (one, other) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (one, other) = (one.unwrap(), other.unwrap());
        let token = lane.claim(receiving(Opcode::Recvmsg, other.as_raw_fd(), number));
        lane.with(token, |resource| resource.expect_address());
        lane.message(token, &[], Control::NONE);
        lane.driver.enqueue(token).unwrap();
        lane.turn(Some(Duration::ZERO));
        for round in 0..10u8 {
            one.send_to(&[round; 5], other.local_addr().unwrap()).unwrap();
            let (outcome, more) = next(&mut lane, token);
            assert!(more, "{outcome:?}");
            let picked = take(&group, outcome);
            let words: Vec<_> = picked[..HEAD]
                .chunks_exact(4)
                .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
                .collect();
            assert_eq!(words, [16, 0, 5, 0], "name, control, payload, flags");
            let sender = socket_address(&picked[HEAD..HEAD + 16]);
            assert_eq!(sender, one.local_addr().unwrap());
            assert_eq!(picked[HEAD + NAME..], [round; 5]);
        }
        let _ = lane.cancel(token).unwrap();
        while next(&mut lane, token).1 {}
        lane.take(token);
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

#[test]
fn groups_are_bounded_and_their_numbers_used_again() {
    let _alone = alone();
    for (mut lane, _group, number) in lanes(1, 8) {
        assert_eq!(number, 0);
        let more: Vec<_> = (1..64)
            .map(|_| lane.driver.add_buffers(BufferGroup::new(1, 8)))
            .take_while(|added| *added != Err(Error::Os(libc::ENOMEM)))
            .map(|added| added.unwrap())
            .collect();
        if more.len() < 63 {
            return skip("locked memory is short");
        }
        assert!(lane.driver.add_buffers(BufferGroup::new(1, 8)).is_err());
        lane.driver.remove_buffers(7);
        lane.driver.remove_buffers(7);
        assert_eq!(lane.driver.add_buffers(BufferGroup::new(1, 8)), Ok(7));
    }
}

/// What may still be picked after the ring is closed is never freed.
#[test]
fn a_driver_dropped_with_a_receive_in_flight_leaves_its_buffers() {
    let _alone = alone();
    for (mut lane, group, number) in lanes(2, 8) {
        let (mut client, server) = connected();
        let flags = 0;
        lane.start(Prepared { flags, ..receiving(Opcode::Recv, server.as_raw_fd(), number) });
        lane.driver.publish().unwrap();
        let weak = Arc::downgrade(&group);
        drop((lane, group));
        client.write_all(b"late").unwrap();
        assert!(weak.upgrade().is_some(), "the buffers were freed under the kernel");
    }
    for (lane, group, _) in lanes(2, 8) {
        let weak = Arc::downgrade(&group);
        drop((lane, group));
        assert!(weak.upgrade().is_none(), "buffers that nobody uses were kept");
    }
}

#[test]
fn what_goes_on_needs_a_group_and_an_op_that_can() {
    let _alone = alone();
    let Some(mut lane) = Lane::inline(4) else { return };
    let flags = op_flag::MULTISHOT;
    for opcode in [Opcode::Read, Opcode::Recv, Opcode::Recvmsg, Opcode::Write, Opcode::Nop] {
        let op = transfer(opcode, 0, &mut [], 0);
        assert_eq!(lane.run(Prepared { flags, ..op }), -libc::EINVAL, "{opcode:?}");
    }
}
