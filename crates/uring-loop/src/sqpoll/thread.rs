//! What the kernel tells about an SQ thread, in files under `/proc`. Read a few times a second at the
//! most, without allocating.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::os::fd::RawFd;
use std::time::Duration;

/// Of an SQ thread since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Times {
    pub(crate) ran: Duration,
    pub(crate) waited: Duration,
    pub(crate) worked: Option<Duration>,
}

/// An SQ thread, as the ring that it serves names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Thread {
    pub(crate) id: u32,
    /// The one that it last ran on.
    pub(crate) cpu: Option<u32>,
    worked: Option<Duration>,
}

/// Longer files have their end passed over: what is wanted from a ring's comes behind its queues.
const BYTES_MAX: usize = 1 << 18;

/// Hands each line to `each`. Nothing where the file is not to be had.
fn lines(path: &str, mut each: impl FnMut(&str)) {
    let Ok(mut file) = File::open(path) else { return };
    let mut buffer = [0u8; 2048];
    let (mut filled, mut total) = (0, 0);
    while total < BYTES_MAX
        && let Ok(more @ 1..) = file.read(&mut buffer[filled..])
    {
        filled += more;
        total += more;
        let whole = buffer[..filled].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if let Ok(text) = std::str::from_utf8(&buffer[..whole]) {
            text.lines().for_each(&mut each);
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        if filled == buffer.len() {
            filled = 0; // No line that is wanted is as long as that.
        }
    }
}

/// A short path, put together on the stack.
struct Path {
    bytes: [u8; 48],
    length: usize,
}

impl Path {
    fn new(parts: std::fmt::Arguments<'_>) -> Self {
        use std::io::Write;
        let mut bytes = [0; 48];
        let mut rest = &mut bytes[..];
        // The longest of these has forty.
        let _ = rest.write_fmt(parts);
        let length = 48 - rest.len();
        Self { bytes, length }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl Thread {
    /// The SQ thread of an open ring. `None` where it has none, or the kernel does not say (before
    /// 5.4, and without `/proc`).
    pub(crate) fn of_ring(ring: RawFd) -> Option<Self> {
        let (mut id, mut cpu, mut worked) = (None, None, None);
        lines(Path::new(format_args!("/proc/self/fdinfo/{ring}")).as_str(), |line| {
            let Some((name, value)) = line.split_once(':') else { return };
            let value = value.trim();
            match name {
                "SqThread" => id = value.parse().ok(),
                "SqThreadCpu" => cpu = value.parse().ok(),
                "SqWorkTime" => worked = value.parse().ok().map(Duration::from_micros),
                _ => {}
            }
        });
        // Without one the kernel writes -1.
        Some(Self { id: id?, cpu, worked })
    }

    /// Where its time went. `None` where the kernel does not count that.
    pub(crate) fn times(&self) -> Option<Times> {
        let mut times = None;
        let path = Path::new(format_args!("/proc/self/task/{}/schedstat", self.id));
        lines(path.as_str(), |line| {
            let mut numbers = line.split_ascii_whitespace().map_while(|word| word.parse().ok());
            if let (Some(ran), Some(waited)) = (numbers.next(), numbers.next()) {
                let [ran, waited] = [ran, waited].map(Duration::from_nanos);
                times = Some(Times { ran, waited, worked: self.worked.map(|time| time.min(ran)) });
            }
        });
        // Kernels that do not count write zeros.
        times.filter(|times| times.ran > Duration::ZERO)
    }

    /// How often it went to sleep.
    pub(crate) fn sleeps(&self) -> Option<u64> {
        let mut sleeps = None;
        let path = Path::new(format_args!("/proc/self/task/{}/status", self.id));
        lines(path.as_str(), |line| {
            if let Some(number) = line.strip_prefix("voluntary_ctxt_switches:") {
                sleeps = number.trim().parse().ok();
            }
        });
        sleeps
    }
}

/// Ticks of a CPU since the machine began: idle, and in all.
pub(crate) fn cpu_ticks(cpu: u32) -> Option<(u64, u64)> {
    let mut ticks = None;
    lines("/proc/stat", |line| {
        let Some(numbers) = line.strip_prefix("cpu") else { return };
        let mut words = numbers.split_ascii_whitespace();
        if numbers.starts_with(' ') || words.next().and_then(|word| word.parse().ok()) != Some(cpu)
        {
            return;
        }
        let (mut idle, mut all) = (0, 0);
        // User, nice, system, idle, waiting for a disk, two kinds of interrupts, stolen.
        for (place, number) in words.take(8).filter_map(|word| word.parse::<u64>().ok()).enumerate()
        {
            all += number;
            idle += if matches!(place, 3 | 4) { number } else { 0 };
        }
        ticks = Some((idle, all));
    });
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticks_of_a_cpu_are_found_and_those_of_none_are_not() {
        let Some((idle, all)) = cpu_ticks(0) else { return };
        assert!(idle <= all && all > 0);
        assert_eq!(cpu_ticks(4000), None);
    }

    #[test]
    fn a_file_that_is_longer_than_the_buffer_is_read_line_by_line() {
        let path = std::env::temp_dir().join(format!("wakering-lines-{}", std::process::id()));
        let text: String = (0..2000).map(|number| format!("line {number}\n")).collect();
        std::fs::write(&path, &text).unwrap();
        let mut seen = 0;
        lines(path.to_str().unwrap(), |line| {
            assert_eq!(line, format!("line {seen}"));
            seen += 1;
        });
        std::fs::remove_file(&path).unwrap();
        assert_eq!(seen, 2000);
        lines("/nowhere", |_| unreachable!("there is no such file"));
    }

    #[test]
    fn what_is_no_ring_has_no_thread() {
        assert_eq!(Thread::of_ring(-1), None);
    }
}
