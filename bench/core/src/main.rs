//! The core of Wakering beside its peers: one command, one table.
//!
//! ```text
//! cargo run --release --manifest-path bench/core/Cargo.toml [-- [--quick] [--processes N] [ROW...]]
//!
//! this process ─► a process for each row × contender × round ─► medians ─► a table in Markdown
//! ```
//!
//! A ROW is a part of a row's name. Each measurement has a process of its own, because the rows of
//! several threads move by a factor of two from process to process, and because an allocator that
//! one contender has stirred is not what the next one would find.

#![deny(unsafe_code)]

mod children;
mod contender;
#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
mod counting;
#[expect(unsafe_code, reason = "questions to the kernel")]
mod machine;
mod measure;
mod peers;
mod quiet;
mod rows;
mod subject;
mod table;

use children::Settings;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["--measure", row, contender, budget] => contender::measure_here(row, contender, budget),
        parts => match Settings::from(parts) {
            Ok(settings) => {
                table::print(&settings, &children::run(&settings));
                ExitCode::SUCCESS
            }
            Err(complaint) => {
                eprintln!("{complaint}");
                ExitCode::FAILURE
            }
        },
    }
}
