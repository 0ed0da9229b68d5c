//! Files.

#![forbid(unsafe_code)]
