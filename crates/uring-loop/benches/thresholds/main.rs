//! The measurements behind the thresholds and choices of `wakering_core::policy`, as far as they are
//! the ring's: a Markdown table each. DESIGN.md has the paragraphs. The lane's are in the bench of the
//! same name in `crates/wakering`.
//!
//! `cargo bench --bench thresholds`, with `-- --quick` for a look

#![expect(clippy::print_stdout, reason = "a bench prints its tables")]
#![allow(unreachable_pub, reason = "modules of a bench are not anybody's API")]

mod measure;
mod reads;
mod ring;
mod small;
mod spin;

fn main() {
    let folder = ring::Folder::new();
    reads::lonely(&folder);
    reads::buffers(&folder);
    reads::files(&folder);
    small::files(&folder);
    spin::looks(&folder);
}
