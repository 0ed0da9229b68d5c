//! Names, directories and whole files through the Rust runtime, on a ring and without one.

#[path = "support/files.rs"]
mod files;

use files::each_driver;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use wakering::fs::{self, File};

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn metadata_is_what_std_says() {
    each_driver(|folder| async move {
        let path = folder.path("file");
        std::fs::write(&path, vec![1; 5000]).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        std::os::unix::fs::symlink(&path, folder.path("link")).unwrap();
        let expected = std::fs::metadata(&path).unwrap();
        let file = File::open(&path).await.unwrap();
        let by_name = fs::metadata(&path).await.unwrap();
        let by_link = fs::metadata(folder.path("link")).await.unwrap();
        for found in [by_name, by_link, file.metadata().await.unwrap()] {
            assert!(found.is_file() && !found.is_dir() && !found.is_symlink());
            assert_eq!((found.len(), found.size(), found.mode()), (5000, 5000, expected.mode()));
            assert_eq!(found.permissions(), expected.permissions());
            assert_eq!((found.ino(), found.dev()), (expected.ino(), expected.dev()));
            assert_eq!((found.nlink(), found.rdev()), (1, expected.rdev()));
            assert_eq!((found.uid(), found.gid()), (expected.uid(), expected.gid()));
            assert_eq!((found.blocks(), found.blksize()), (expected.blocks(), expected.blksize()));
            assert_eq!(found.modified().unwrap(), expected.modified().unwrap());
            assert_eq!(found.accessed().unwrap(), expected.accessed().unwrap());
            assert_eq!(found.created().ok(), expected.created().ok());
        }
        let link = fs::symlink_metadata(folder.path("link")).await.unwrap();
        assert!(link.is_symlink() && !link.is_file());
        assert!(fs::metadata(&folder).await.unwrap().is_dir());
        assert_eq!(errno(fs::metadata(folder.path("none")).await), Some(libc::ENOENT));
        assert_eq!(errno(fs::metadata("").await), Some(libc::ENOENT));
        assert_eq!(errno(fs::metadata(path.join("below")).await), Some(libc::ENOTDIR));
        assert!(
            fs::exists(&path).await.unwrap() && !fs::exists(folder.path("none")).await.unwrap()
        );
        let long = folder.path(&format!("{}/x", "y".repeat(250)));
        assert!(!fs::exists(long).await.unwrap(), "a path that needs a block");
    });
}

#[test]
fn names_are_made_changed_and_removed() {
    each_driver(|folder| async move {
        let path = |name: &str| folder.path(name);
        fs::write(path("one"), b"content".to_vec()).await.0.unwrap();
        fs::hard_link(path("one"), path("two")).await.unwrap();
        assert_eq!(fs::metadata(path("two")).await.unwrap().nlink(), 2);
        assert_eq!(errno(fs::hard_link(path("one"), path("two")).await), Some(libc::EEXIST));
        fs::rename(path("two"), path("three")).await.unwrap();
        assert!(!path("two").exists() && path("three").exists());
        assert_eq!(errno(fs::rename(path("two"), path("four")).await), Some(libc::ENOENT));
        fs::symlink("three", path("link")).await.unwrap();
        assert_eq!(fs::read_link(path("link")).await.unwrap(), Path::new("three"));
        assert_eq!(errno(fs::read_link(path("three")).await), Some(libc::EINVAL));
        let real = fs::canonicalize(path("./link")).await.unwrap();
        assert_eq!(real, std::fs::canonicalize(path("three")).unwrap());
        fs::remove_file(path("link")).await.unwrap();
        assert_eq!(fs::read_to_string(path("three")).await.unwrap(), "content");
        fs::create_dir(path("directory")).await.unwrap();
        assert_eq!(errno(fs::create_dir(path("directory")).await), Some(libc::EEXIST));
        assert_eq!(errno(fs::remove_file(path("directory")).await), Some(libc::EISDIR));
        fs::remove_dir(path("directory")).await.unwrap();
        assert_eq!(errno(fs::remove_dir(path("directory")).await), Some(libc::ENOENT));
    });
}

#[test]
fn directories_are_made_listed_and_removed_with_all_in_them() {
    each_driver(|folder| async move {
        let root = folder.path("root");
        let deep = root.join("a/b/c");
        fs::create_dir_all(&deep).await.unwrap();
        fs::create_dir_all(&deep).await.unwrap();
        std::fs::write(root.join("file"), b"x").unwrap();
        assert_eq!(errno(fs::create_dir_all(root.join("file/x")).await), Some(libc::ENOTDIR));
        assert_eq!(errno(fs::create_dir_all(root.join("file")).await), Some(libc::EEXIST));
        let outside = folder.path("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), b"x").unwrap();
        std::os::unix::fs::symlink(&outside, deep.join("link")).unwrap();
        for number in 0..300 {
            std::fs::write(deep.join(format!("file-{number}")), b"").unwrap();
        }
        let mut entries: Vec<_> = fs::read_dir(&root).await.unwrap().collect();
        entries.sort_by(|one, other| one.file_name().cmp(other.file_name()));
        let names: Vec<_> = entries.iter().map(|entry| entry.file_name().to_owned()).collect();
        assert_eq!(names, ["a", "file"]);
        assert!(entries[0].file_type().is_dir() && entries[1].file_type().is_file());
        assert_eq!(entries[1].metadata().await.unwrap().len(), 1);
        assert_eq!(entries[1].path(), root.join("file"));
        assert_eq!(fs::read_dir(&deep).await.unwrap().count(), 301);
        assert_eq!(errno(fs::read_dir(root.join("file")).await), Some(libc::ENOTDIR));
        assert_eq!(errno(fs::remove_dir(&root).await), Some(libc::ENOTEMPTY));
        fs::remove_dir_all(&root).await.unwrap();
        assert!(!root.exists() && outside.join("kept").exists(), "links are not followed");
        std::os::unix::fs::symlink(&outside, &root).unwrap();
        fs::remove_dir_all(&root).await.unwrap();
        assert!(!root.exists() && outside.join("kept").exists());
        assert_eq!(errno(fs::remove_dir_all(&root).await), Some(libc::ENOENT));
        assert_eq!(errno(fs::remove_dir_all(outside.join("kept")).await), Some(libc::ENOTDIR));
    });
}

#[test]
fn whole_files_are_written_read_and_copied() {
    each_driver(|folder| async move {
        let (one, other) = (folder.path("one"), folder.path("other"));
        for length in [0, 1, 4096, 300_000, 3 << 20] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 31 / 7) as u8).collect();
            let (written, bytes) = fs::write(&one, bytes).await;
            written.unwrap();
            assert_eq!(fs::read(&one).await.unwrap(), bytes);
            assert_eq!(fs::copy(&one, &other).await.unwrap(), length as u64);
            assert_eq!(std::fs::read(&other).unwrap(), bytes);
        }
        let status = fs::read_to_string("/proc/self/status").await.unwrap();
        assert!(status.contains("VmRSS"), "a file that says it is empty");
        assert_eq!(errno(fs::read(&folder).await), Some(libc::EISDIR));
        assert_eq!(errno(fs::copy(folder.path("none"), &other).await), Some(libc::ENOENT));
        std::fs::write(&one, [0xFF, 0xFE]).unwrap();
        let refused = fs::read_to_string(&one).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    });
}

#[test]
fn a_file_is_cut_reserved_synced_advised_and_named() {
    each_driver(|folder| async move {
        let path = folder.path("file");
        let file = File::options().read(true).write(true).create(true).open(&path).await.unwrap();
        file.set_len(10_000).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 10_000);
        file.set_len(100).await.unwrap();
        match file.allocate(0, 1 << 20).await {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            allocated => {
                allocated.unwrap();
                let found = file.metadata().await.unwrap();
                assert_eq!((found.len(), found.blocks() >= 2048), (1 << 20, true));
            }
        }
        file.write_all_at(vec![1; 70_000], 0).await.0.unwrap();
        file.sync_range(0, 0).await.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        file.advise(fs::Advice::DontNeed, 0, 5 << 30).await.unwrap();
        file.link(folder.path("second")).await.unwrap();
        assert_eq!(fs::metadata(folder.path("second")).await.unwrap().nlink(), 2);
        match file.set_xattr("user.wakering", vec![7; 1000]).await.0 {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            set => {
                set.unwrap();
                assert_eq!(file.xattr("user.wakering").await.unwrap(), [7; 1000]);
                file.set_xattr("user.wakering", vec![8; 3]).await.0.unwrap();
                assert_eq!(file.xattr("user.wakering").await.unwrap(), [8; 3]);
                assert_eq!(errno(file.xattr("user.none").await), Some(libc::ENODATA));
            }
        }
        file.close().await.unwrap();
    });
}

#[test]
fn bytes_go_between_a_pipe_and_a_file() {
    each_driver(|folder| async move {
        let path = folder.path("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = File::options().read(true).write(true).open(&path).await.unwrap();
        let (read, write) = std::io::pipe().unwrap();
        let read = File::from(std::os::fd::OwnedFd::from(read));
        let write = File::from(std::os::fd::OwnedFd::from(write));
        let moved = fs::splice(&file, Some(4), &write, None, 4).await.unwrap();
        assert_eq!(moved, 4);
        // What waits for a pipe is answered when something comes.
        assert_eq!(fs::splice(&read, None, &file, Some(0), 100).await.unwrap(), 4);
        let late = wakering::task::spawn(async move {
            wakering::time::sleep(Duration::from_millis(5)).await;
            write.write_all(b"late".to_vec()).await.0.unwrap();
        });
        assert_eq!(fs::splice(&read, None, &file, Some(10), 100).await.unwrap(), 4);
        late.await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"4567456789late");
        assert_eq!(fs::splice(&read, None, &file, None, 100).await.unwrap(), 0, "the end");
        assert_eq!(errno(fs::splice(&file, None, &file, None, 1).await), Some(libc::EINVAL));
        assert_eq!(errno(fs::splice(&read, Some(0), &file, None, 1).await), Some(libc::ESPIPE));
    });
}

#[test]
fn without_a_runtime_there_is_an_error_that_says_so() {
    let refused = wakering::task::block_on(fs::metadata("/")).unwrap_err();
    assert!(refused.to_string().contains("no runtime"), "{refused}");
}
