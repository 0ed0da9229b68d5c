//! Copies a file, several chunks at a time, and says how far it is.
//!
//! ```text
//! cargo run --release --example copy -- FROM TO
//! ```
//!
//! ```text
//! next chunk ─┬─► task: read ─► write ─┐
//!             ├─► task: read ─► write ─┼─► all done: synced, named TO
//!             └─► task: read ─► write ─┘
//! ```
//!
//! Until it is whole the copy has no name (`O_TMPFILE`), so nothing is left of one that was interrupted,
//! whatever interrupted it. A file that is there is not replaced.

#![expect(clippy::print_stderr, reason = "a program that talks to whoever runs it")]

use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wakering::Runtime;
use wakering::fs::{self, File};
use wakering::task;
use wakering::time::sleep;

const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_IN_FLIGHT: usize = 8;
const REPORT_EVERY: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: copy FROM TO");
        return ExitCode::from(2);
    };
    match run(from.clone(), to.clone()) {
        Ok(bytes) => {
            eprintln!("\r{bytes} bytes copied");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\rcopy: {} to {}: {error}", from.display(), to.display());
            ExitCode::FAILURE
        }
    }
}

/// Copies with a worker for each CPU.
pub(crate) fn run(from: PathBuf, to: PathBuf) -> io::Result<u64> {
    let runtime = Runtime::new()?;
    let copying = runtime.spawn(async move { copy(&from, &to).await });
    runtime.block_on(copying).map_err(Error::other)?
}

/// What the tasks of a copy share.
struct Copy {
    from: File,
    to: File,
    length: u64,
    /// Where the next chunk begins.
    next: AtomicU64,
    done: AtomicU64,
}

/// Copies, as a task, and says how many bytes.
pub(crate) async fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    let source = File::open(from).await?;
    let found = source.metadata().await?;
    if !found.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "only regular files are copied"));
    }
    if fs::symlink_metadata(to).await.is_ok() {
        return Err(Error::from_raw_os_error(libc::EEXIST));
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut nameless = File::options();
    nameless.write(true).mode(found.mode() & 0o777).custom_flags(libc::O_TMPFILE);
    let target = nameless.open(folder.unwrap_or(Path::new("."))).await?;
    let copy = Arc::new(Copy {
        from: source,
        to: target,
        length: found.len(),
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
    });
    let reporting = task::spawn(report(copy.clone()));
    let chunks = (0..CHUNKS_IN_FLIGHT).map(|_| task::spawn(copy_chunks(copy.clone())));
    for chunks in chunks.collect::<Vec<_>>() {
        chunks.await.map_err(Error::other)??;
    }
    reporting.abort();
    copy.to.sync_all().await?;
    copy.to.link(to).await?;
    Ok(copy.done.load(Ordering::Relaxed))
}

/// Takes one chunk after the other, with one buffer for all of them.
async fn copy_chunks(copy: Arc<Copy>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES);
    loop {
        // Relaxed, as all of these: they are numbers, and nothing else is read through them.
        let start = copy.next.fetch_add(CHUNK_BYTES as u64, Ordering::Relaxed);
        if start >= copy.length {
            return Ok(());
        }
        let end = copy.length.min(start + CHUNK_BYTES as u64);
        let mut place = start;
        while place < end {
            let read;
            (read, buffer) = copy.from.read_at(buffer, place).await;
            if read? == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, "it became shorter meanwhile"));
            }
            buffer.truncate((end - place) as usize);
            let written;
            (written, buffer) = copy.to.write_all_at(buffer, place).await;
            written?;
            place += buffer.len() as u64;
            copy.done.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        }
    }
}

async fn report(copy: Arc<Copy>) {
    loop {
        let done = copy.done.load(Ordering::Relaxed);
        eprint!("\r{:3} %", (done * 100).checked_div(copy.length).unwrap_or(100));
        let _ = sleep(REPORT_EVERY).await;
    }
}
