//! What these tests share: a folder that goes away, and ops prepared without a driver.

#![allow(dead_code, reason = "each test file uses its part")]

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wakering_core::Home;
use wakering_core::Token;
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::resource::{PathRole, Prepared, Resource};
use wakering_core::slab::FreeList;
use wakering_core::waker::WakerRef;

/// A folder for one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        Self::within(&std::env::temp_dir(), name)
    }

    pub(crate) fn within(parent: &Path, name: &str) -> Self {
        let path = parent.join(format!("wakering-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A prepared op of `opcode` on a directory or file.
pub(crate) fn prepared(opcode: Opcode, fd: i32) -> Prepared {
    let mut prepared = Prepared::new(opcode);
    prepared.fd = fd;
    prepared
}

/// Sets up the resource of a Queued op.
pub(crate) fn prepare(home: &Home, token: Token, op: Prepared, path: &Path) {
    with(home, token, |resource| {
        resource.prepared = op;
        let blocks = BlockPool::new(0);
        resource.set_path(PathRole::First, path.as_os_str().as_bytes(), &blocks).unwrap();
    });
}

/// The resource of an op that is the test's.
pub(crate) fn with<R>(home: &Home, token: Token, f: impl FnOnce(&mut Resource) -> R) -> R {
    // SAFETY: the test's thread owns the home, and the op is Queued or Ready.
    unsafe { home.slab.slot(token).with_resource(f) }
}

/// Claims a slot.
pub(crate) fn claim(home: &Home, free: &mut FreeList) -> Token {
    free.claim(&home.slab, WakerRef::NOBODY).expect("a free slot")
}

/// Makes a FIFO.
pub(crate) fn make_fifo(path: &Path) {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: the path is terminated.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}
