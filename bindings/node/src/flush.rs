//! The one function that is called for every batch, as a bare Node-API callback: what a method of a
//! class brings along (the receiver, its borrow, a table of types) costs 200 ns, more than all else
//! that a lonely operation needs of this crate.

use crate::port::State;
use libc::c_void;
use napi::bindgen_prelude::{FromNapiValue, Function};
use napi::{Env, Error, Result, Status, sys};
use std::rc::Rc;

/// Makes the function. It holds `state` for as long as JavaScript holds it.
pub(crate) fn function(env: &Env, state: Rc<State>) -> Result<Function<'_, u32, u32>> {
    let raw = env.raw();
    let data = Rc::into_raw(state).cast_mut().cast::<c_void>();
    let mut made = std::ptr::null_mut();
    let (name, length) = (c"flush".as_ptr(), 5);
    // SAFETY: the calling environment; `data` is what the callback takes it for, until `drop_state`.
    let mut status =
        unsafe { sys::napi_create_function(raw, name, length, Some(call), data, &raw mut made) };
    if status == sys::Status::napi_ok {
        let (hint, reference) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the function of the line above; nobody else drops this count.
        status =
            unsafe { sys::napi_add_finalizer(raw, made, data, Some(drop_state), hint, reference) };
    }
    if status != sys::Status::napi_ok {
        // SAFETY: no finalizer was added, so that this is the only owner of the count.
        drop(unsafe { Rc::from_raw(data.cast_const().cast::<State>()) });
        return Err(Error::new(Status::from(status), "the function `flush` cannot be made"));
    }
    // SAFETY: a function of this environment.
    unsafe { Function::from_napi_value(raw, made) }
}

unsafe extern "C" fn drop_state(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the count that `function` gave away, taken back once.
    drop(unsafe { Rc::from_raw(data.cast_const().cast::<State>()) });
}

unsafe extern "C" fn call(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let (mut given, mut argument) = (1, std::ptr::null_mut());
    let (receiver, mut data) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the calling environment and its call; the places are locals.
    unsafe {
        sys::napi_get_cb_info(env, info, &raw mut given, &raw mut argument, receiver, &raw mut data)
    };
    let mut count = 0;
    // SAFETY: as above. What is no number leaves a count of none.
    unsafe { sys::napi_get_value_uint32(env, argument, &raw mut count) };
    // SAFETY: what `function` stored, which lives as long as the function that is being called.
    let state = unsafe { &*data.cast_const().cast::<State>() };
    let mut answer = std::ptr::null_mut();
    match state.flush(count) {
        // SAFETY: as above.
        Ok(records) => unsafe { sys::napi_create_uint32(env, records, &raw mut answer) },
        Err(error) => throw(env, &error.reason),
    };
    answer
}

fn throw(env: sys::napi_env, reason: &str) -> sys::napi_status {
    let (mut text, mut error) = (std::ptr::null_mut(), std::ptr::null_mut());
    let (start, length) = (reason.as_ptr().cast(), reason.len() as isize);
    // SAFETY: the calling environment; the bytes are copied.
    unsafe { sys::napi_create_string_utf8(env, start, length, &raw mut text) };
    // SAFETY: as above.
    unsafe { sys::napi_create_error(env, std::ptr::null_mut(), text, &raw mut error) };
    // SAFETY: as above.
    unsafe { sys::napi_throw(env, error) }
}
