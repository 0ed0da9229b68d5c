//! The file copier among the examples.

#[path = "../examples/copy.rs"]
#[allow(dead_code, reason = "its main function parses arguments")]
mod copier;
#[path = "support/files.rs"]
mod files;

use files::{Folder, each_driver};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const FROM: &str = "WAKERING_COPY_FROM";
const TO: &str = "WAKERING_COPY_TO";

fn names(folder: &Folder) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn copies_are_whole_and_never_replace_anything() {
    each_driver(|folder| async move {
        let (from, to) = (folder.path("from"), folder.path("to"));
        for length in [0, 1, 256 << 10, (3 << 20) + 17] {
            let bytes: Vec<u8> = (0..length).map(|at: usize| (at * 131 / 17) as u8).collect();
            std::fs::write(&from, &bytes).unwrap();
            std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(copier::copy(&from, &to).await.unwrap(), length as u64);
            assert!(std::fs::read(&to).unwrap() == bytes);
            assert_eq!(std::fs::metadata(&to).unwrap().mode() & 0o777, 0o600);
            let refused = copier::copy(&from, &to).await.unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EEXIST));
            std::fs::remove_file(&to).unwrap();
        }
        let refused = copier::copy(folder.as_ref(), &to).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        let refused = copier::copy(&folder.path("none"), &to).await.unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENOENT));
        assert_eq!(names(&folder), ["from"]);
    });
}

/// The other half of the test below: the program that is interrupted.
#[test]
fn copies_what_the_environment_says() {
    if let (Some(from), Some(to)) = (std::env::var_os(FROM), std::env::var_os(TO)) {
        copier::run(from.into(), to.into()).unwrap();
    }
}

#[test]
fn nothing_is_left_of_a_copy_that_was_interrupted() {
    let folder = Folder::new();
    let from = std::fs::File::create(folder.path("from")).unwrap();
    from.set_len(1 << 30).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "copies_what_the_environment_says"])
        .env(FROM, folder.path("from"))
        .env(TO, folder.path("to"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first report: it is under way.
    let mut first = [0; 6];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"\r  0 %");
    // SAFETY: two numbers, the first of a child that has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGINT), "it was not done yet");
    assert_eq!(names(&folder), ["from"]);
}
