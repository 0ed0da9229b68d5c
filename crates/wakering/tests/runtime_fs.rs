//! Files through the Rust runtime, on a ring and without one.

#[path = "support/files.rs"]
mod files;

use files::each_driver;
use std::io::ErrorKind;
use std::sync::Arc;
use wakering::fs::{self, File, OpenOptions};

#[test]
fn what_is_written_is_read_at_its_place() {
    each_driver(|folder| async move {
        let path = folder.path("file");
        let file = File::options().read(true).write(true).create(true).open(&path).await.unwrap();
        let (written, buffer) = file.write_at(b"0123456789".to_vec(), 5).await;
        assert_eq!((written.unwrap(), buffer.as_slice()), (10, &b"0123456789"[..]));
        let (read, buffer) = file.read_at(Vec::with_capacity(4), 8).await;
        assert_eq!((read.unwrap(), buffer.as_slice()), (4, &b"3456"[..]));
        let (read, buffer) = file.read_at(Vec::with_capacity(64), 12).await;
        assert_eq!((read.unwrap(), buffer.as_slice()), (3, &b"789"[..]), "the file ends there");
        let (read, buffer) = file.read_at(buffer, 15).await;
        assert_eq!((read.unwrap(), buffer.len()), (0, 0), "behind the end");
        let (read, boxed) = file.read_at(vec![7; 4].into_boxed_slice(), 13).await;
        assert_eq!(read.unwrap(), 2);
        assert_eq!(&boxed[..2], b"89");
        file.close().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0\0\0\x000123456789");
        fs::remove_file(&path).await.unwrap();
    });
}

/// FEATURES L12.
#[test]
fn l12_reads_and_writes_at_places_leave_the_position_alone() {
    each_driver(|folder| async move {
        let path = folder.path("places");
        let file = File::options().read(true).write(true).create(true).open(&path).await.unwrap();
        let file = Arc::new(file);
        let tasks: Vec<_> = (0..64_u64)
            .map(|number| {
                let file = file.clone();
                wakering::task::spawn(async move {
                    let (written, buffer) =
                        file.write_all_at(vec![number as u8; 512], number * 512).await;
                    written.unwrap();
                    let (read, buffer) = file.read_exact_at(buffer, number * 512).await;
                    read.unwrap();
                    assert_eq!(buffer, [number as u8; 512]);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let (read, first) = file.read(Vec::with_capacity(8)).await;
        assert_eq!((read.unwrap(), first), (8, vec![0; 8]), "the position was at the start");
        let whole = std::fs::read(&path).unwrap();
        assert!(whole.iter().enumerate().all(|(at, &byte)| byte == (at / 512) as u8));
    });
}

/// FEATURES L27.
#[test]
fn l27_many_writers_of_one_file_make_it_exact() {
    each_driver(|folder| async move {
        let path = folder.path("writers");
        let file = Arc::new(File::create(&path).await.unwrap());
        let tasks: Vec<_> = (0..256_u64)
            .map(|number| {
                let file = file.clone();
                wakering::task::spawn(async move {
                    let bytes: Vec<u8> = (0..1000).map(|at| (at * 7 + number) as u8).collect();
                    file.write_all_at(bytes, number * 1000).await.0.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len(), 256_000);
        let right = |(at, &byte): (usize, &u8)| byte == ((at % 1000) * 7 + at / 1000) as u8;
        assert!(whole.iter().enumerate().all(right));
    });
}

#[test]
fn the_own_position_goes_from_read_to_read_and_from_write_to_write() {
    each_driver(|folder| async move {
        let path = folder.path("position");
        let file = File::create(&path).await.unwrap();
        for piece in ["one ", "two ", "three"] {
            let (written, _) = file.write(piece.as_bytes().to_vec()).await;
            assert_eq!(written.unwrap(), piece.len());
        }
        let file = File::open(&path).await.unwrap();
        let mut buffer = Vec::with_capacity(4);
        for expected in ["one ", "two ", "thre", "e", ""] {
            let read;
            (read, buffer) = file.read(buffer).await;
            assert_eq!((read.unwrap(), buffer.as_slice()), (expected.len(), expected.as_bytes()));
        }
        let file = OpenOptions::new().append(true).open(&path).await.unwrap();
        file.write(b"!".to_vec()).await.0.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one two three!");
    });
}

#[test]
fn opens_do_what_their_options_say() {
    each_driver(|folder| async move {
        let path = folder.path("options");
        let errno = |error: std::io::Error| error.raw_os_error().unwrap();
        assert_eq!(errno(File::open(&path).await.unwrap_err()), libc::ENOENT);
        let made = File::options().write(true).create_new(true).mode(0o640).open(&path).await;
        made.unwrap().write_all_at(b"content".to_vec(), 0).await.0.unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777, 0o640);
        let again = File::options().write(true).create_new(true).open(&path).await.unwrap_err();
        assert_eq!((again.kind(), errno(again)), (ErrorKind::AlreadyExists, libc::EEXIST));
        let read_only = File::open(&path).await.unwrap();
        let refused = read_only.write_at(b"x".to_vec(), 0).await.0.unwrap_err();
        assert_eq!(errno(refused), libc::EBADF);
        for (read, truncate) in [(false, false), (true, true)] {
            let contradiction = File::options().read(read).truncate(truncate).open(&path).await;
            assert_eq!(errno(contradiction.unwrap_err()), libc::EINVAL);
        }
        let mut directory = File::options();
        directory.read(true).custom_flags(libc::O_DIRECTORY);
        assert_eq!(errno(directory.open(&path).await.unwrap_err()), libc::ENOTDIR);
        assert_eq!(File::open("a\0b").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let long = folder.path(&"x".repeat(5000));
        assert_eq!(errno(File::open(long).await.unwrap_err()), libc::ENAMETOOLONG);
        File::create(&path).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    });
}

#[test]
fn places_that_are_none_are_refused() {
    each_driver(|folder| async move {
        let errno = |error: std::io::Error| error.raw_os_error();
        let file = File::create(folder.path("file")).await.unwrap();
        for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let (written, buffer) = file.write_at(b"x".to_vec(), offset).await;
            assert_eq!(
                (errno(written.unwrap_err()), buffer.as_slice()),
                (Some(libc::EINVAL), &b"x"[..])
            );
        }
        let (read, write) = std::io::pipe().unwrap();
        let (read, write) = (
            File::from(std::os::fd::OwnedFd::from(read)),
            File::from(std::os::fd::OwnedFd::from(write)),
        );
        write.write(b"kept".to_vec()).await.0.unwrap();
        let (refused, buffer) = read.read_at(Vec::with_capacity(8), 0).await;
        assert_eq!(errno(refused.unwrap_err()), Some(libc::ESPIPE));
        let (got, buffer) = read.read(buffer).await;
        assert_eq!((got.unwrap(), buffer.as_slice()), (4, &b"kept"[..]), "the pipe kept its bytes");
    });
}
