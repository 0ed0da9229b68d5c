//! The few functions of libuv that Node's binary exports and this addon calls.
//!
//! Handles are opaque: their size is asked for, their data is set through a function.

use libc::{c_int, c_void, size_t};

/// `uv_loop_t`, opaque.
#[repr(C)]
pub(crate) struct Loop {
    _opaque: [u8; 0],
}

/// `uv_poll_t`, opaque; also stands for `uv_handle_t`.
#[repr(C)]
pub(crate) struct Poll {
    _opaque: [u8; 0],
}

/// `UV_READABLE`.
pub(crate) const READABLE: c_int = 1;
/// `UV_POLL` in `uv_handle_type`.
pub(crate) const HANDLE_TYPE_POLL: c_int = 8;

pub(crate) type PollCallback = unsafe extern "C" fn(*mut Poll, c_int, c_int);
pub(crate) type CloseCallback = unsafe extern "C" fn(*mut Poll);

unsafe extern "C" {
    pub(crate) fn uv_handle_size(handle_type: c_int) -> size_t;
    pub(crate) fn uv_handle_set_data(handle: *mut Poll, data: *mut c_void);
    pub(crate) fn uv_handle_get_data(handle: *const Poll) -> *mut c_void;
    pub(crate) fn uv_poll_init(event_loop: *mut Loop, handle: *mut Poll, fd: c_int) -> c_int;
    pub(crate) fn uv_poll_start(handle: *mut Poll, events: c_int, callback: PollCallback) -> c_int;
    pub(crate) fn uv_close(handle: *mut Poll, callback: CloseCallback);
    pub(crate) fn uv_ref(handle: *mut Poll);
    pub(crate) fn uv_unref(handle: *mut Poll);
}
