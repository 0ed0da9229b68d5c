//! Names.

use super::super::case::{Case, Made, Stage};
use super::super::lane::{Op, close_now, make_fifo, read_now};
use super::{NEVER_WAITS, row};
use crate::matrix::Row;
use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use wakering_core::abi::{Opcode, statx};

pub(super) const ROWS: &[Row] = &[
    row("OpenAt", Opcode::OpenAt, open, open_what_is_missing, Ok(open_a_fifo)),
    row("OpenAt, restricted", Opcode::OpenAt, open_beneath, open_outside, NEVER_WAITS),
    row("Statx, path", Opcode::Statx, stat, stat_what_is_missing, NEVER_WAITS),
    row("Unlinkat", Opcode::Unlinkat, unlink, unlink_a_folder, NEVER_WAITS),
    row("Renameat", Opcode::Renameat, rename, rename_onto_another, NEVER_WAITS),
    row("Mkdirat", Opcode::Mkdirat, make_folder, make_what_is_there, NEVER_WAITS),
    row("Linkat", Opcode::Linkat, link, link_what_is_missing, NEVER_WAITS),
    row("Symlinkat", Opcode::Symlinkat, link_symbolically, link_over_a_file, NEVER_WAITS),
];

const MODE: [u32; 2] = [0o640, 0];

fn open(stage: &Stage) -> Made {
    let path = stage.fresh();
    let op = Op::new(Opcode::OpenAt).path(&path).flags(libc::O_CREAT | libc::O_WRONLY).extra(MODE);
    Ok(Case::new(op).gives_any().then(move |seen| {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        close_now(seen.answer.result);
    }))
}

fn open_what_is_missing(stage: &Stage) -> Made {
    let op = Op::new(Opcode::OpenAt).path(&stage.fresh()).flags(libc::O_RDONLY).keep();
    Ok(Case::new(op).fails(libc::ENOENT))
}

/// A thread waits for the other end; a ring tries without waiting, and is done.
fn open_a_fifo(stage: &Stage) -> Made {
    let path = stage.fresh();
    make_fifo(&path);
    let op = Op::new(Opcode::OpenAt).path(&path).flags(libc::O_RDONLY);
    let case = Case::new(op).gives_any().then(|seen| close_now(seen.answer.result));
    let mut both = fs::OpenOptions::new();
    both.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    let held = std::cell::RefCell::new(Vec::new());
    Ok(case.wake(move || held.borrow_mut().push(both.open(&path).expect("both ends"))))
}

fn beneath(stage: &Stage, name: &str) -> Case {
    let folder = fs::File::open(&stage.folder).expect("the folder");
    let resolve = libc::RESOLVE_BENEATH as u32;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&folder);
    let op = Op::on(Opcode::OpenAt, fd).path(name).flags(libc::O_RDONLY).extra([0, resolve]);
    Case::new(op).keep(folder)
}

fn open_beneath(stage: &Stage) -> Made {
    let path = stage.file(b"found");
    let name = path.file_name().and_then(|name| name.to_str()).expect("plain letters");
    Ok(beneath(stage, name).gives_any().then(|seen| {
        let mut room = [0; 8];
        assert_eq!(read_now(seen.answer.result, &mut room), 5);
        close_now(seen.answer.result);
    }))
}

fn open_outside(stage: &Stage) -> Made {
    Ok(beneath(stage, "..").fails(libc::EXDEV))
}

fn stat(stage: &Stage) -> Made {
    let path = stage.file(b"twelve bytes");
    let op = Op::new(Opcode::Statx).path(&path).extra([libc::STATX_BASIC_STATS, 0]);
    Ok(Case::new(op).then(move |seen| {
        let inode = &seen.answer.back[statx::INO..statx::INO + 8];
        assert_eq!(inode, fs::metadata(&path).unwrap().ino().to_ne_bytes());
    }))
}

fn stat_what_is_missing(stage: &Stage) -> Made {
    let op = Op::new(Opcode::Statx).path(&stage.fresh()).extra([libc::STATX_BASIC_STATS, 0]).keep();
    Ok(Case::new(op).fails(libc::ENOENT))
}

fn unlink(stage: &Stage) -> Made {
    let path = stage.file(b"");
    let op = Op::new(Opcode::Unlinkat).path(&path);
    Ok(Case::new(op).then(move |_| assert!(!path.exists())))
}

fn unlink_a_folder(stage: &Stage) -> Made {
    let path = stage.fresh();
    fs::create_dir(&path).expect("a folder");
    Ok(Case::new(Op::new(Opcode::Unlinkat).path(&path)).fails(libc::EISDIR))
}

fn rename(stage: &Stage) -> Made {
    let (from, to) = (stage.file(b"moved"), stage.fresh());
    let op = Op::new(Opcode::Renameat).path(&from).second(&to);
    Ok(Case::new(op).then(move |_| {
        assert!(!from.exists());
        assert_eq!(fs::read(&to).unwrap(), b"moved");
    }))
}

fn rename_onto_another(stage: &Stage) -> Made {
    let (from, to) = (stage.file(b"1"), stage.file(b"2"));
    let op = Op::new(Opcode::Renameat).path(&from).second(&to).flags(libc::RENAME_NOREPLACE as i32);
    Ok(Case::new(op).fails(libc::EEXIST).then(move |_| assert_eq!(fs::read(&to).unwrap(), b"2")))
}

fn make_folder(stage: &Stage) -> Made {
    let path = stage.fresh();
    let op = Op::new(Opcode::Mkdirat).path(&path).extra([0o700, 0]);
    Ok(Case::new(op).then(move |_| assert!(path.is_dir())))
}

fn make_what_is_there(stage: &Stage) -> Made {
    let path = stage.file(b"");
    Ok(Case::new(Op::new(Opcode::Mkdirat).path(&path).extra([0o700, 0])).fails(libc::EEXIST))
}

fn link(stage: &Stage) -> Made {
    let (from, to) = (stage.file(b"one file"), stage.fresh());
    let op = Op::new(Opcode::Linkat).path(&from).second(&to);
    Ok(Case::new(op).then(move |_| {
        assert_eq!(fs::metadata(&to).unwrap().ino(), fs::metadata(&from).unwrap().ino());
    }))
}

fn link_what_is_missing(stage: &Stage) -> Made {
    let (from, to) = (stage.fresh(), stage.fresh());
    Ok(Case::new(Op::new(Opcode::Linkat).path(&from).second(&to)).fails(libc::ENOENT))
}

fn link_symbolically(stage: &Stage) -> Made {
    let path = stage.fresh();
    let op = Op::new(Opcode::Symlinkat).path("anywhere").second(&path);
    Ok(Case::new(op).then(move |_| {
        assert_eq!(fs::read_link(&path).unwrap().as_os_str(), "anywhere");
    }))
}

fn link_over_a_file(stage: &Stage) -> Made {
    let path = stage.file(b"");
    Ok(Case::new(Op::new(Opcode::Symlinkat).path("anywhere").second(&path)).fails(libc::EEXIST))
}
