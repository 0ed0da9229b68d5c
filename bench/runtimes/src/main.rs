//! Wakering beside its peers: one command, one table for each suite.
//!
//! ```text
//! cargo run --release --manifest-path bench/runtimes/Cargo.toml -- SUITE [OPTION...] [ROW...]
//!
//! this process ─► a process for each row × contender × round ─► medians ─► a table in Markdown
//! ```
//!
//! A SUITE is `core` or `loops`, a ROW a part of a row's name; `--list` names them. Each measurement
//! has a process of its own, because the rows of several threads move by a factor of two from
//! process to process, and because an allocator that one contender has stirred is not what the next
//! one would find.

#![deny(unsafe_code)]

mod children;
mod contender;
#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
mod counting;
#[expect(unsafe_code, reason = "questions to the kernel")]
mod machine;
mod measure;
mod one_thread;
mod quiet;
mod row;
mod suites;
mod table;

use children::Settings;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["--measure", suite, row, contender, budget] => {
            contender::measure_here(suite, row, contender, budget)
        }
        ["--client", rest @ ..] => suites::serve_as_client(rest),
        parts => match Settings::from(parts) {
            Ok(settings) => {
                tell(&settings);
                ExitCode::SUCCESS
            }
            Err(complaint) => {
                eprintln!("{complaint}");
                ExitCode::FAILURE
            }
        },
    }
}

fn tell(settings: &Settings) {
    let appendix = settings.suite.appendix.filter(|_| settings.appendix);
    if settings.lists {
        let names = settings.rows.iter().map(|row| row.name());
        names.chain(appendix.map(|(name, _)| name.into())).for_each(|name| println!("{name}"));
        return;
    }
    if !settings.rows.is_empty() {
        table::print(settings, &children::run(settings));
    }
    if let Some((_, print)) = appendix {
        print();
    }
}
