//! (d) The content of small files: by system calls, with the open through a ring, and as a linked
//! chain that never has a descriptor.

use crate::measure::{is_quick, medians, micros, print_table};
use crate::reads::timed;
use crate::ring::{Folder, PAGE, Pages};
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{DestinationSlot, Fd, Fixed};
use io_uring::{IoUring, opcode};
use std::ffi::CString;
use std::os::fd::RawFd;

const DEPTH_MAX: usize = 64;

/// The files, and where the next batch of them begins.
struct Files {
    names: Vec<CString>,
    next: usize,
}

impl Files {
    fn new(folder: &Folder) -> Self {
        let count = if is_quick() { 512 } else { 4096 };
        let names = (0..count).map(|number| {
            let path = folder.0.join(format!("small-{number}"));
            std::fs::write(&path, [number as u8; PAGE]).expect("room for small files");
            CString::new(path.into_os_string().into_encoded_bytes()).expect("no NUL in a path")
        });
        Self { names: names.collect(), next: 0 }
    }

    /// The numbers of the next `count` files.
    fn batch(&mut self, count: usize) -> std::ops::Range<usize> {
        if self.next + count > self.names.len() {
            self.next = 0;
        }
        let first = self.next;
        self.next += count;
        first..self.next
    }
}

/// What stands in the file must be what was asked for.
fn check(room: *const u8, number: usize) {
    let last = room.wrapping_add(PAGE - 1);
    // SAFETY: the room was written to just now, by this thread or the kernel on its behalf.
    let found = unsafe { last.read() };
    assert_eq!(found, number as u8, "another file's content");
}

/// Reads an open file to its end and closes it, as a lane does it.
fn read_and_close(fd: RawFd, room: *mut u8, number: usize) {
    let read = |place: usize| {
        // SAFETY: the room has one page more than a file has bytes.
        let base = unsafe { room.add(place) }.cast();
        let piece = libc::iovec { iov_base: base, iov_len: PAGE };
        // SAFETY: one piece of memory that is the caller's.
        unsafe { libc::preadv2(fd, &raw const piece, 1, place as i64, libc::RWF_NOWAIT) }
    };
    assert_eq!((read(0), read(PAGE)), (PAGE as isize, 0), "the file is in the page cache");
    check(room, number);
    // SAFETY: the descriptor is this function's, and this its last use.
    unsafe { libc::close(fd) };
}

fn by_calls(files: &Files, number: usize, room: *mut u8) {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: a string that ends with NUL.
    let fd = unsafe { libc::open(files.names[number].as_ptr(), flags) };
    read_and_close(fd, room, number);
}

fn push(ring: &mut IoUring, entry: &Entry) {
    // SAFETY: what the entries name (names, pages) outlives the ring's use of them: each batch is
    // waited for to its end.
    unsafe { ring.submission().push(entry) }.expect("room for a batch");
}

fn open_by_ring(ring: &mut IoUring, files: &mut Files, count: usize, room: *mut u8) {
    let batch = files.batch(count);
    for number in batch {
        let open = opcode::OpenAt::new(Fd(libc::AT_FDCWD), files.names[number].as_ptr());
        push(ring, &open.flags(libc::O_RDONLY | libc::O_CLOEXEC).build().user_data(number as u64));
    }
    ring.submit_and_wait(count).expect("a ring that can be entered");
    for completion in ring.completion() {
        read_and_close(completion.result(), room, completion.user_data() as usize);
    }
}

/// The read is linked hard: the close must come whatever the read says.
fn chain(ring: &mut IoUring, files: &mut Files, count: usize, pages: &mut Pages) {
    let batch = files.batch(count);
    let first = batch.start;
    for number in batch {
        let place = (number - first) as u32;
        let slot = DestinationSlot::try_from_slot_target(place).expect("a place of the table");
        let open = opcode::OpenAt::new(Fd(libc::AT_FDCWD), files.names[number].as_ptr());
        push(ring, &open.file_index(Some(slot)).build().flags(Flags::IO_LINK));
        // One byte more than there should be: who gets it knows that the file is longer.
        let room = pages.at((number - first) * 2 * PAGE);
        let read = opcode::ReadFixed::new(Fixed(place), room, PAGE as u32 + 1, 0);
        push(ring, &read.build().flags(Flags::IO_HARDLINK).user_data(1));
        push(ring, &opcode::Close::new(Fixed(place)).build());
    }
    ring.submit_and_wait(3 * count).expect("a ring that can be entered");
    for completion in ring.completion() {
        let expected = if completion.user_data() == 1 { PAGE as i32 } else { 0 };
        assert_eq!(completion.result(), expected, "a link of the chain failed");
    }
    for place in 0..count {
        check(pages.at(place * 2 * PAGE), first + place);
    }
}

fn ring_for_chains(pages: &mut Pages) -> std::io::Result<IoUring> {
    let ring = IoUring::builder().setup_coop_taskrun().build(256)?;
    ring.submitter().register_files_sparse(DEPTH_MAX as u32)?;
    let memory = libc::iovec { iov_base: pages.at(0).cast(), iov_len: DEPTH_MAX * 2 * PAGE };
    // SAFETY: the pages outlive the ring.
    unsafe { ring.submitter().register_buffers(&[memory]) }?;
    Ok(ring)
}

/// The three ways, at several depths.
pub fn files(folder: &Folder) {
    let mut files = Files::new(folder);
    let mut pages = Pages::new(DEPTH_MAX * 2 * PAGE);
    let mut ring = match ring_for_chains(&mut pages) {
        Ok(ring) => ring,
        Err(error) => return println!("SKIP: {error}"),
    };
    let rows = [1, 8, 32, DEPTH_MAX].map(|depth| {
        let found = medians(3, depth as u64, |way, times| {
            timed(|| {
                for _ in 0..times {
                    let room = pages.at(0);
                    match way {
                        0 => files.batch(depth).for_each(|number| by_calls(&files, number, room)),
                        1 => open_by_ring(&mut ring, &mut files, depth, room),
                        _ => chain(&mut ring, &mut files, depth, &mut pages),
                    }
                }
            })
        });
        let [calls, open, chain] = [found[0][0], found[1][0], found[2][0]];
        let saved = format!("{:.2}", (open - chain) / 1000.0);
        vec![format!("{depth} at a time"), micros(calls), micros(open), micros(chain), saved]
    });
    print_table(
        "Small files: the content of a cached file of 4 KiB, us a file",
        &["files", "system calls", "ring's open, calls", "linked chain", "the chain saves"],
        &rows,
    );
}
