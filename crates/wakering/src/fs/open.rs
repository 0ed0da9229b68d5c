//! How a file is opened.

#![forbid(unsafe_code)]

use super::File;
use super::call::Call;
use std::io;
use std::path::Path;
use wakering_core::abi::Opcode;

/// What is asked of an open, in the shape of [`std::fs::OpenOptions`].
///
/// ```
/// use wakering::fs::OpenOptions;
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("wakering-options-{}", std::process::id()));
/// wakering::Runtime::builder().build_local()?.block_on(async {
///     let mut options = OpenOptions::new();
///     options.write(true).create_new(true).mode(0o600);
///     options.open(&path).await?;
///     let again = options.open(&path).await.unwrap_err();
///     assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
///     wakering::fs::remove_file(&path).await
/// })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    custom_flags: i32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing is asked for yet.
    pub const fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// To be read.
    pub const fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self
    }

    /// To be written.
    pub const fn write(&mut self, write: bool) -> &mut Self {
        self.write = write;
        self
    }

    /// To be written at its end, wherever its position is.
    pub const fn append(&mut self, append: bool) -> &mut Self {
        self.append = append;
        self
    }

    /// Without what was in it.
    pub const fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.truncate = truncate;
        self
    }

    /// Made where there is none.
    pub const fn create(&mut self, create: bool) -> &mut Self {
        self.create = create;
        self
    }

    /// Made; it is an error where there is one.
    pub const fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.create_new = create_new;
        self
    }

    /// The permissions of a file that is made, before the process's mask; 0o666 unless told otherwise.
    pub const fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Flags of open(2) beside those above: `O_DIRECT`, `O_TMPFILE` and so on.
    pub const fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// Opens.
    ///
    /// Safe to cancel: what was opened nevertheless is closed; what was made stays.
    ///
    /// # Errors
    ///
    /// EINVAL where nothing is asked for, or what contradicts itself; else the kernel's: ENOENT, EEXIST,
    /// EACCES, EMFILE and so on.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let call = Call::path(Opcode::OpenAt, path.as_ref()).op_flags(self.flags()?);
        Ok(File::new(call.extra(self.mode, 0).giving_fd().run().await?))
    }

    fn flags(&self) -> io::Result<i32> {
        let access = match (self.read, self.write || self.append) {
            (true, false) => libc::O_RDONLY,
            (false, true) => libc::O_WRONLY,
            (true, true) => libc::O_RDWR,
            (false, false) => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        let makes = self.truncate || self.create || self.create_new;
        let writes = self.write || self.append;
        let cut_and_appended = self.append && self.truncate && !self.create_new;
        if (makes && !writes) || cut_and_appended {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let flag = |on: bool, flag: i32| if on { flag } else { 0 };
        let creation = match self.create_new {
            true => libc::O_CREAT | libc::O_EXCL,
            false => flag(self.create, libc::O_CREAT) | flag(self.truncate, libc::O_TRUNC),
        };
        let custom = self.custom_flags & !libc::O_ACCMODE;
        Ok(access | creation | flag(self.append, libc::O_APPEND) | custom | libc::O_CLOEXEC)
    }
}
