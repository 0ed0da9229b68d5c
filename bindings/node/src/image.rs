//! Keeps this library in memory once it is loaded.
//!
//! Node unloads an addon's image when the last environment that loaded it ends. A thread that left
//! the kernel late, or the kernel's own completion of a read, must still find code there.

use std::sync::Once;

static PIN: Once = Once::new();

/// Pins the image, once.
pub(crate) fn pin() {
    PIN.call_once(|| {
        let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        let here = pin as *const ();
        // SAFETY: `here` lies in this image, and `info` is writable.
        let found = unsafe { libc::dladdr(here.cast(), info.as_mut_ptr()) };
        if found == 0 {
            return;
        }
        // SAFETY: all-zero is a valid Dl_info, and dladdr has filled it.
        let info = unsafe { info.assume_init() };
        let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: the name is NUL-terminated and lives as long as the image. The handle is kept
        // for ever, which is the point.
        unsafe { libc::dlopen(info.dli_fname, flags) };
    });
}
