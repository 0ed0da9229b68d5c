//! Who is polled is seen with the time of a poll of its own.

use super::*;
use loom::sync::Arc;

#[test]
fn loom_m9_who_is_polled_is_seen_with_its_own_time() {
    loom::model(|| {
        let asked = SlowPolls { threshold: Duration::MAX, report: |_| {} };
        let watch = Arc::new(Stopwatch::new(asked, Clock::real(), 0));
        let polls = watch.clone();
        let worker = loom::thread::spawn(move || {
            for number in 1..4 {
                polls.begin(TaskId { number, generation: 0 }, u64::from(number) * 10);
                polls.end();
            }
        });
        if let Some((task, began)) = watch.look() {
            assert_eq!(began, u64::from(task.number) * 10);
        }
        worker.join().unwrap();
        assert_eq!(watch.look(), None);
    });
}
