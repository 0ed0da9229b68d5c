//! Every op in every situation, without a ring; prints the table.

#[path = "../../core/tests/conformance/matrix/mod.rs"]
mod matrix;

use wakering_poll_loop::{PollConfig, PollDriver};

#[test]
fn conformance_matrix_poll() {
    matrix::rows::check_complete();
    matrix::run(
        &matrix::Subject {
            title: &format!("poll, Linux {}", matrix::Linux::release()),
            make: &|home, _| PollDriver::new(PollConfig::default(), home),
            lacks: &|opcode| format!("the poll driver has no {}", opcode.name()),
            ring: None,
        },
        matrix::rows::ALL,
    );
}
