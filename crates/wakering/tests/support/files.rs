//! Tests of files: a folder for each, on each driver, on one thread and on several.

#[path = "drivers.rs"]
mod drivers;

#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use drivers::{drivers, personalities};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes with its last owner.
#[derive(Clone)]
pub(crate) struct Folder(Arc<Owned>);

struct Owned(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wakering-runtime-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(Arc::new(Owned(path)))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a test on each driver: in the future of one thread with a loop, and in a task of three workers with
/// one loop among them.
#[allow(dead_code, reason = "some tests are for one kind of runtime only")]
pub(crate) fn each_driver<F>(test: impl Fn(Folder) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for builder in drivers() {
        builder.clone().build_local().unwrap().block_on(test(Folder::new()));
        let runtime = builder.workers(3).loops(1).build().unwrap();
        let tasks: Vec<_> = (0..3).map(|_| runtime.spawn(test(Folder::new()))).collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}
