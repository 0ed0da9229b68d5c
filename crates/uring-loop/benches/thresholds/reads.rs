//! Reads of what is cached: without the ring, with it, and by which memory and which file.

use crate::measure::{medians, micros, print_table, size_of_bytes};
use crate::ring::{Folder, PAGE, Pages, Places, Ring};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;

/// How long something took.
pub fn timed(work: impl FnOnce()) -> [Duration; 1] {
    let start = Instant::now();
    work();
    [start.elapsed()]
}

fn reading(fd: RawFd, address: *mut u8, length: usize, offset: u64) -> Prepared {
    Prepared { fd, address, length: length as u32, offset, ..Prepared::new(Opcode::Read) }
}

/// `preadv2` with RWF_NOWAIT, as a lane tries a read.
fn read_nowait(fd: RawFd, address: *mut u8, length: usize, offset: u64) -> isize {
    let piece = libc::iovec { iov_base: address.cast(), iov_len: length };
    // SAFETY: one piece of memory that the caller keeps.
    unsafe { libc::preadv2(fd, &raw const piece, 1, offset as i64, libc::RWF_NOWAIT) }
}

/// (a) One read and nothing else: without the ring, or through it.
pub fn lonely(folder: &Folder) {
    const SIZES: [usize; 6] = [512, 4096, 16 << 10, 32 << 10, 64 << 10, 256 << 10];
    let Some(mut ring) = Ring::inline() else { return };
    let (file, file_bytes) = folder.large();
    let fd = file.as_raw_fd();
    let mut pages = Pages::new(SIZES[5]);
    if read_nowait(fd, pages.at(0), PAGE, 0) != PAGE as isize {
        return println!("SKIP: this file system does not answer RWF_NOWAIT");
    }
    // SAFETY: the pages outlive the ring, and nobody else reaches them meanwhile.
    let registered = unsafe { ring.driver.register_buffer(pages.at(0), SIZES[5]) };
    let Ok(registered) = registered else { return println!("SKIP: locked memory is short") };
    let fixed_file = ring.driver.register_file(fd).expect("a place for the file");
    let rows = SIZES.map(|size| {
        let mut places = Places::new(file_bytes, size);
        let found = medians(4, 1, |way, times| {
            timed(|| {
                for _ in 0..times {
                    let (address, offset) = (pages.at(0), places.next());
                    if way == 0 {
                        assert_eq!(read_nowait(fd, address, size, offset), size as isize);
                        continue;
                    }
                    let ordinary = reading(fd, address, size, offset);
                    let lent = Prepared { registered, ..ordinary };
                    let fixed = Prepared { fixed_file, ..lent };
                    ring.batch(1, |_| [ordinary, lent, fixed][way - 1]);
                }
            })
        });
        let mut row = vec![size_of_bytes(size)];
        row.extend(found.iter().map(|&[ns]| micros(ns)));
        row.push(format!("{:.2}", found[2][0] / found[0][0]));
        row
    });
    print_table(
        "RWF_NOWAIT inline or the ring: one cached read, us",
        &[
            "bytes",
            "RWF_NOWAIT",
            "ring",
            "ring, registered buffer",
            "and fixed file",
            "registered / RWF_NOWAIT",
        ],
        &rows,
    );
}

/// (b) Into memory that the kernel holds, into other memory, and with the copy that this needs.
pub fn buffers(folder: &Folder) {
    const SIZES: [usize; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
    const DEPTH_MAX: usize = 32;
    let Some(mut ring) = Ring::inline() else { return };
    let (file, file_bytes) = folder.large();
    let fd = file.as_raw_fd();
    let (mut here, mut away) = (Pages::new(SIZES[4] * DEPTH_MAX), Pages::new(SIZES[4] * DEPTH_MAX));
    // SAFETY: the pages outlive the ring, and nobody else reaches them meanwhile.
    let registered = unsafe { ring.driver.register_buffer(here.at(0), SIZES[4] * DEPTH_MAX) };
    let Ok(registered) = registered else { return println!("SKIP: locked memory is short") };
    let mut rows = Vec::new();
    for depth in [1, DEPTH_MAX] {
        for size in SIZES {
            let mut places = Places::new(file_bytes, size);
            let found = medians(3, depth as u64, |way, times| {
                timed(|| {
                    for _ in 0..times {
                        ring.batch(depth, |number| {
                            let to = if way == 2 { &mut away } else { &mut here };
                            let read = reading(fd, to.at(number * size), size, places.next());
                            if way == 0 { Prepared { registered, ..read } } else { read }
                        });
                        for number in (0..depth).filter(|_| way == 2) {
                            let (from, to) = (away.at(number * size), here.at(number * size));
                            // SAFETY: two ranges of `size` bytes in two allocations.
                            unsafe { std::ptr::copy_nonoverlapping(from, to, size) };
                        }
                    }
                })
            });
            let [fixed, plain, copied] = [found[0][0], found[1][0], found[2][0]];
            rows.push(vec![
                format!("{}, {depth} at a time", size_of_bytes(size)),
                micros(fixed),
                micros(plain),
                micros(copied),
                format!("{:.2}", plain / fixed),
                format!("{:.2}", copied / fixed),
            ]);
        }
    }
    print_table(
        "Registered or ordinary buffers: a cached read through the ring, us",
        &[
            "bytes",
            "registered",
            "ordinary",
            "ordinary, copied",
            "ordinary / registered",
            "copied / registered",
        ],
        &rows,
    );
}

/// (e) By a place in the ring's table, or by the descriptor; and what the place costs.
pub fn files(folder: &Folder) {
    let Some(mut ring) = Ring::inline() else { return };
    let (file, file_bytes) = folder.large();
    let fd = file.as_raw_fd();
    let mut pages = Pages::new(128 * PAGE);
    // SAFETY: the pages outlive the ring, and nobody else reaches them meanwhile.
    let registered = unsafe { ring.driver.register_buffer(pages.at(0), 128 * PAGE) };
    let Ok(registered) = registered else { return println!("SKIP: locked memory is short") };
    let fixed_file = ring.driver.register_file(fd).expect("a place for the file");
    let mut places = Places::new(file_bytes, PAGE);
    let mut rows: Vec<_> = [1, 32, 128]
        .map(|depth| {
            let found = medians(2, depth as u64, |way, times| {
                timed(|| {
                    for _ in 0..times {
                        ring.batch(depth, |number| {
                            let address = pages.at(number * PAGE);
                            let read = reading(fd, address, PAGE, places.next());
                            let read = Prepared { registered, ..read };
                            if way == 0 { read } else { Prepared { fixed_file, ..read } }
                        });
                    }
                })
            });
            let [plain, fixed] = [found[0][0], found[1][0]];
            let saved = format!("{:.0} ns", plain - fixed);
            vec![format!("4 KiB, {depth} at a time"), micros(plain), micros(fixed), saved]
        })
        .into();
    let pair = medians(1, 1, |_, times| {
        timed(|| {
            for _ in 0..times {
                let place = ring.driver.register_file(fd).expect("a place for the file");
                ring.driver.unregister_file(place).expect("a place that was given");
            }
        })
    });
    // The first place costs the table.
    let table = medians(1, 1, |_, times| {
        let rings = (0..times).filter_map(|_| Ring::inline());
        let first = |mut ring: Ring| {
            timed(|| assert_eq!(ring.driver.register_file(fd), Ok(0), "the first place"))[0]
        };
        [rings.map(first).sum()]
    });
    for (what, ns) in [("a place, taken and given back", pair), ("the table, once", table)] {
        rows.push(vec![what.into(), String::new(), micros(ns[0][0]), String::new()]);
    }
    print_table(
        "Fixed files: a cached read through the ring, us",
        &["read", "by descriptor", "by place", "saved"],
        &rows,
    );
}
