//! Whoever waits for a lane's descriptor alone is woken for every record, however few of them each
//! turn may bring.

mod support;

use std::time::Duration;
use support::*;
use wakering::{Config, Idle, SqpollConfig};
use wakering_core::abi::{OpDescriptor, Opcode, op_flag};

const MANY: Config = Config {
    driver: wakering::DriverChoice::Auto,
    slots: 1024,
    handles_max: 1024,
    pool_threads: 4,
    sqpoll: None,
    register_buffers: true,
};

/// Starts `make`'s ops in one batch, lets them all become complete, and takes ten records at a time.
fn all_come(port: &mut Port, what: &str, mut make: impl FnMut(&mut Port, u32) -> OpDescriptor) {
    port.records_max = 10;
    let slots: Vec<_> = (0..1000)
        .map(|index| {
            let d = make(port, index);
            port.push(d)
        })
        .collect();
    port.flush();
    std::thread::sleep(Duration::from_millis(50));
    let mut turns = 0;
    while port.is_rung(Duration::from_millis(100)) {
        port.flush();
        turns += 1;
        assert!(turns < 2000, "{} {what}: the bell does not stop", port.driver);
    }
    let missing = slots.iter().filter(|&&slot| port.is_under_way(slot)).count();
    assert_eq!(missing, 0, "{}: {what}: nobody was woken for these", port.driver);
    for slot in slots {
        port.wait(slot);
    }
    // Nothing is left to say.
    assert!(!port.is_rung(Duration::from_millis(5)), "{}: {what}", port.driver);
    port.is_idle();
}

#[test]
fn a_thousand_completions_are_brought_ten_at_a_time() {
    each(MANY, |port| {
        let path = port.folder.file("file", &[3; 4096]);
        let file = port.open_file(&path, libc::O_RDONLY);
        let folder = port.folder.0.clone();
        all_come(port, "nop", |_, _| OpDescriptor::new(Opcode::Nop));
        all_come(port, "timer", |_, index| sleep(u64::from(index) * 1000));
        all_come(port, "read", |port, _| on_slab(port, Opcode::Read, file, 0..4096, 0));
        all_come(port, "forced read", |port, _| {
            forced(on_slab(port, Opcode::Read, file, 0..4096, 0))
        });
        all_come(port, "stat", |port, _| stat(port, &path));
        all_come(port, "listing", |port, _| on_path(port, Opcode::Readdir, &folder));
        all_come(port, "refusal", |port, _| OpDescriptor {
            buffer: 99,
            ..on_slab(port, Opcode::Read, file, 0..1, 0)
        });
        all_come(port, "mixture", |port, index| match index % 5 {
            0 => OpDescriptor::new(Opcode::Nop),
            1 => on_slab(port, Opcode::Read, file, 0..4096, 0),
            2 => stat(port, &path),
            3 => on_path(port, Opcode::Readdir, &folder),
            _ => OpDescriptor { opcode: 255, ..OpDescriptor::new(Opcode::Nop) },
        });
        port.close_file(file);
    });
}

#[test]
fn over_an_sq_thread_too() {
    let sqpoll = Some(SqpollConfig { cpu: None, idle: Idle::Millis(1), share: false });
    on_a_ring(Config { sqpoll, ..MANY }, |port| {
        let path = port.folder.file("file", &[3; 4096]);
        let file = port.open_file(&path, libc::O_RDONLY);
        all_come(port, "nop", |_, _| OpDescriptor::new(Opcode::Nop));
        all_come(port, "timer", |_, index| sleep(u64::from(index) * 1000));
        all_come(port, "read", |port, _| on_slab(port, Opcode::Read, file, 0..4096, 0));
        port.close_file(file);
    });
}

#[test]
fn withdrawn_ops_are_brought_ten_at_a_time() {
    each(MANY, |port| {
        port.records_max = 10;
        let slots: Vec<_> = (0..1000).map(|_| port.push(sleep(u64::MAX))).collect();
        port.push_cancel(OpDescriptor::new(Opcode::CancelAll));
        for slot in slots {
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        }
        port.is_idle();
    });
}

#[test]
fn the_closes_that_waited_are_brought_one_at_a_time() {
    each(small(), |port| {
        let path = port.folder.file("file", &[3; 4096]);
        let files: Vec<_> = (0..20).map(|_| port.open_file(&path, libc::O_RDONLY)).collect();
        port.records_max = 1;
        let slots: Vec<_> = files
            .iter()
            .flat_map(|&file| {
                let read = forced(on_slab(port, Opcode::Read, file, 0..4096, 0));
                [port.push(read), port.push(close(file))]
            })
            .collect();
        for slot in slots {
            assert!(port.wait(slot).result >= 0);
        }
        assert_eq!(port.lane.open_handles(), 0);
        port.is_idle();
    });
}

#[test]
fn a_turn_without_room_takes_nothing_and_forgets_nothing() {
    each(small(), |port| {
        port.records_max = 0;
        let slots: Vec<_> = (0..10)
            .map(|index| match index % 2 {
                0 => port.push(OpDescriptor::new(Opcode::Nop)),
                _ => port.push(OpDescriptor { opcode: 255, ..sleep(0) }),
            })
            .collect();
        for _ in 0..3 {
            assert_eq!(port.flush(), 0);
            assert!(port.is_rung(Duration::from_secs(1)), "{}", port.driver);
        }
        port.records_max = 1;
        for slot in slots {
            port.wait(slot);
        }
        port.is_idle();
    });
}

#[test]
fn an_idle_lane_is_silent() {
    each(small(), |port| {
        let path = port.folder.file("file", &[3; 4096]);
        let file = port.open_file(&path, libc::O_RDONLY);
        let timer = port.start(sleep(u64::MAX));
        let read = on_slab(port, Opcode::Read, file, 0..4096, 0);
        port.run(forced(read));
        port.flush();
        port.flush();
        assert!(!port.is_rung(Duration::from_millis(20)), "{}", port.driver);
        port.lane.ring_doorbell();
        assert!(port.is_rung(Duration::ZERO));
        assert_eq!(port.flush(), 0);
        assert!(!port.is_rung(Duration::from_millis(5)), "{}", port.driver);
        port.push_cancel(cancel(timer));
        port.wait(timer);
    });
}

#[test]
fn only_ops_that_ask_for_it_keep_the_process_alive() {
    each(small(), |port| {
        let kept = port.push(sleep(u64::MAX));
        let unref = port.push(OpDescriptor { flags: op_flag::UNREF, ..sleep(u64::MAX) });
        port.flush();
        assert_eq!((port.lane.keeping_alive(), port.lane.in_flight()), (1, 2));
        port.push_cancel(cancel(kept));
        port.wait(kept);
        assert_eq!((port.lane.keeping_alive(), port.lane.in_flight()), (0, 1));
        port.push_cancel(cancel(unref));
        port.wait(unref);
        // Ops that are answered in line, refused or withdrawn are counted out once as well.
        for _ in 0..100 {
            let refused = OpDescriptor { opcode: 99, ..OpDescriptor::new(Opcode::Nop) };
            let slots = [refused, sleep(u64::MAX), OpDescriptor::new(Opcode::Nop)];
            let slots = slots.map(|d| port.push(d));
            port.push_cancel(OpDescriptor::new(Opcode::CancelAll));
            for slot in slots {
                port.wait(slot);
            }
            port.is_idle();
        }
    });
}
