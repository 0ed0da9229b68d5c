//! Open files: opening, closing, reading, writing, metadata.

use super::lane::{Lane, Op, close_now, control};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use wakering_core::Driver;
use wakering_core::abi::{Opcode, POSITION_CURRENT, statx};

const CREATE: i32 = libc::O_RDWR | libc::O_CREAT;

pub(crate) fn reads_what_it_wrote_at_any_position<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    let fd = lane.open(&path, CREATE);
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
    assert_eq!(lane.result(&Op::on(Opcode::Write, fd).from(&bytes)), 100_000);
    assert_eq!(lane.result(&Op::on(Opcode::Write, fd).from(b"xyz").offset(200_000)), 3);
    let mut expected = bytes.clone();
    expected.resize(200_000, 0);
    expected.extend_from_slice(b"xyz");
    assert_eq!(fs::read(&path).unwrap(), expected);
    let mut back = vec![0; 300_000];
    let read = lane.result(&Op::on(Opcode::Read, fd).into(&mut back));
    assert_eq!(&back[..read as usize], expected);
    let mut piece = [0; 10];
    let read = lane.result(&Op::on(Opcode::Read, fd).into(&mut piece).offset(199_998));
    assert_eq!((read, &piece[..5]), (5, &b"\0\0xyz"[..]));
    let end = Op::on(Opcode::Read, fd).into(&mut piece).offset(200_003);
    assert_eq!(lane.result(&end), 0);
    for opcode in [Opcode::Fsync, Opcode::Fdatasync] {
        assert_eq!(lane.result(&Op::on(opcode, fd)), 0);
    }
    lane.close(fd);
}

pub(crate) fn reads_on_from_the_files_own_position<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    let fd = lane.open(&path, CREATE);
    for part in [b"one ", b"two ", b"six "] {
        let op = Op::on(Opcode::Write, fd).from(part).offset(POSITION_CURRENT);
        assert_eq!(lane.result(&op), 4);
    }
    assert_eq!(fs::read(&path).unwrap(), b"one two six ");
    let again = lane.open(&path, libc::O_RDONLY);
    let mut seen = Vec::new();
    loop {
        let mut buffer = [0; 5];
        let op = Op::on(Opcode::Read, again).into(&mut buffer).offset(POSITION_CURRENT);
        match lane.result(&op) {
            0 => break,
            read => seen.extend_from_slice(&buffer[..usize::try_from(read).unwrap()]),
        }
    }
    assert_eq!(seen, b"one two six ");
    lane.close(again);
    lane.close(fd);
}

pub(crate) fn reads_and_writes_several_segments<D: Driver>(lane: &mut Lane<D>) {
    let fd = lane.open(&lane.file("data"), CREATE);
    for count in [1, 2, 32, 33, 256] {
        let mut parts: Vec<Vec<u8>> = (0..count).map(|i| vec![i as u8; i % 5 + 1]).collect();
        let all: Vec<u8> = parts.concat();
        let places: Vec<_> = parts.iter_mut().map(|p| (p.as_mut_ptr(), p.len())).collect();
        let op = Op::on(Opcode::Writev, fd).segments(places.clone()).offset(3);
        assert_eq!(lane.result(&op), all.len() as i32);
        for part in &mut parts {
            part.fill(0xEE);
        }
        let op = Op::on(Opcode::Readv, fd).segments(places).offset(3);
        assert_eq!(lane.result(&op), all.len() as i32);
        assert_eq!(parts.concat(), all);
    }
    lane.close(fd);
}

pub(crate) fn changes_the_length_and_reserves_space<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    let fd = lane.open(&path, CREATE);
    if !lane.lacks(Opcode::Ftruncate) {
        for length in [5000, 10, 0] {
            assert_eq!(lane.result(&Op::on(Opcode::Ftruncate, fd).offset(length)), 0);
            assert_eq!(fs::metadata(&path).unwrap().len(), length);
        }
        let negative = Op::on(Opcode::Ftruncate, fd).offset(u64::MAX);
        assert_eq!(lane.result(&negative), -libc::EINVAL);
    }
    let reserve = Op::on(Opcode::Fallocate, fd).offset(100).extra([8000, 0]);
    match lane.result(&reserve) {
        0 => assert_eq!(fs::metadata(&path).unwrap().len(), 8100),
        refused => assert_eq!(refused, -libc::EOPNOTSUPP),
    }
    lane.close(fd);
}

pub(crate) fn opens_as_the_flags_say<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    let open = |flags| Op::new(Opcode::OpenAt).path(&path).flags(flags).extra([0o640, 0]);
    assert_eq!(lane.result(&open(libc::O_RDONLY)), -libc::ENOENT);
    let fd = lane.result(&open(CREATE | libc::O_EXCL));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(lane.result(&open(CREATE | libc::O_EXCL)), -libc::EEXIST);
    assert_eq!(lane.result(&open(libc::O_RDONLY | libc::O_DIRECTORY)), -libc::ENOTDIR);
    lane.close(fd);
    fs::write(&path, "twelve bytes").unwrap();
    let fd = lane.result(&open(libc::O_WRONLY | libc::O_APPEND));
    assert_eq!(lane.result(&Op::on(Opcode::Write, fd).from(b"!").offset(POSITION_CURRENT)), 1);
    assert_eq!(fs::read(&path).unwrap(), b"twelve bytes!");
    lane.close(fd);
    let fd = lane.result(&open(libc::O_WRONLY | libc::O_TRUNC));
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    lane.close(fd);
    let link = lane.file("link");
    symlink(&path, &link).unwrap();
    let nofollow = Op::new(Opcode::OpenAt).path(&link).flags(libc::O_RDONLY | libc::O_NOFOLLOW);
    assert_eq!(lane.result(&nofollow), -libc::ELOOP);
    let resolve = [0, libc::RESOLVE_NO_SYMLINKS as u32];
    let no_links = Op::new(Opcode::OpenAt).path(&link).flags(libc::O_RDONLY).extra(resolve);
    assert_eq!(lane.result(&no_links), -libc::ELOOP);
}

pub(crate) fn every_descriptor_closes_on_exec<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    for resolve in [0, libc::RESOLVE_NO_MAGICLINKS as u32] {
        let op = Op::new(Opcode::OpenAt).path(&path).flags(CREATE).extra([0o600, resolve]);
        let fd = lane.result(&op);
        assert!(fd >= 0, "{fd}");
        assert_eq!(control(fd, libc::F_GETFD) & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        lane.close(fd);
    }
}

fn number(back: &[u8], offset: usize, bytes: usize) -> u64 {
    let mut value = [0; 8];
    value[..bytes].copy_from_slice(&back[offset..offset + bytes]);
    u64::from_le_bytes(value)
}

fn same_as_std(back: &[u8], found: &fs::Metadata) {
    assert_eq!(number(back, statx::INO, 8), found.ino());
    assert_eq!(number(back, statx::SIZE, 8), found.size());
    assert_eq!(number(back, statx::MODE, 2), u64::from(found.mode()));
    assert_eq!(number(back, statx::NLINK, 4), found.nlink());
    assert_eq!(number(back, statx::BLOCKS, 8), found.blocks());
    assert_eq!(number(back, statx::MTIME, 8) as i64, found.mtime());
}

pub(crate) fn tells_the_metadata_of_paths_links_and_handles<D: Driver>(lane: &mut Lane<D>) {
    let (path, link) = (lane.file("data"), lane.file("link"));
    fs::write(&path, "some bytes").unwrap();
    symlink("data", &link).unwrap();
    let mask = [libc::STATX_BASIC_STATS | libc::STATX_BTIME, 0];
    let stat = |path: &Path| fs::metadata(path).unwrap();
    for path in [&path, &link, &lane.file("."), Path::new("/dev/null")] {
        let answer = lane.run(&Op::new(Opcode::Statx).path(path).extra(mask));
        assert_eq!(answer.result, 0);
        same_as_std(&answer.back, &stat(path));
    }
    let nofollow = Op::new(Opcode::Statx).path(&link).flags(libc::AT_SYMLINK_NOFOLLOW);
    let answer = lane.run(&nofollow.extra(mask));
    same_as_std(&answer.back, &fs::symlink_metadata(&link).unwrap());
    let fd = lane.open(&path, libc::O_RDONLY);
    let handle = Op::on(Opcode::Statx, fd).flags(libc::AT_EMPTY_PATH).extra(mask);
    let answer = lane.run(&handle);
    assert_eq!(answer.result, 0);
    same_as_std(&answer.back, &stat(&path));
    lane.close(fd);
    let missing = lane.file("missing");
    let op = Op::new(Opcode::Statx).path(&missing).extra(mask);
    assert_eq!(lane.result(&op), -libc::ENOENT);
}

pub(crate) fn reads_into_memory_of_the_runtime<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    fs::write(&path, "owned bytes").unwrap();
    let fd = lane.open(&path, libc::O_RDONLY);
    let answer = lane.run(&Op::on(Opcode::Read, fd).owned(64));
    let mut owned = answer.owned.expect("the memory comes back");
    assert_eq!(answer.result, 11);
    // SAFETY: the kernel wrote so many bytes to its start.
    unsafe { owned.set_len(11) };
    assert_eq!(owned, b"owned bytes");
    lane.close(fd);
}

pub(crate) fn refuses_what_the_kernel_refuses<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    fs::write(&path, "x").unwrap();
    let folder = lane.open(&lane.folder.clone(), libc::O_RDONLY);
    let reader = lane.open(&path, libc::O_RDONLY);
    let closed = reader + 500;
    let mut buffer = [0; 8];
    let below = path.join("below");
    let rows: [(Op<'_>, i32); 9] = [
        (Op::on(Opcode::Read, folder).into(&mut buffer), libc::EISDIR),
        (Op::on(Opcode::Write, reader).from(b"x"), libc::EBADF),
        (Op::on(Opcode::Read, closed).into(&mut buffer), libc::EBADF),
        (Op::on(Opcode::Fsync, closed), libc::EBADF),
        (Op::on(Opcode::Close, closed), libc::EBADF),
        (Op::new(Opcode::OpenAt).path(&below), libc::ENOTDIR),
        (
            Op::new(Opcode::OpenAt).path(&path).at(reader).flags(libc::O_CREAT | libc::O_EXCL),
            libc::EEXIST,
        ),
        (Op::new(Opcode::OpenAt).path("relative").at(reader), libc::ENOTDIR),
        (Op::new(Opcode::OpenAt).path(""), libc::ENOENT),
    ];
    for (op, errno) in rows {
        assert_eq!(lane.result(&op), -errno, "{op:?}");
    }
    lane.close(folder);
    close_now(reader);
}
