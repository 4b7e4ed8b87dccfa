//! Figures that tests measure and no test may decide by: they are printed, and `scripts/test` shows
//! them at its end.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

/// Where the figures of a run are.
const FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/figures.txt");

/// Prints a figure, whose name begins with its number in docs/reliability.md.
pub fn figure(text: &str) {
    println!("{text}");
    // One write a line: lines of tests that run at the same time stay whole.
    let file = OpenOptions::new().create(true).append(true).open(FILE);
    file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes())).unwrap();
}

/// A stopwatch on the clock of the wall, which no test's virtual time stops.
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is printed is measured, and decides nothing"
    )]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Of so many times in milliseconds the one that 99 in a hundred do not exceed, and the longest.
pub fn p99_and_most(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |rank: usize| times[rank - 1].as_secs_f64() * 1000.0;
    let (p99, most) = (ms((times.len() * 99).div_ceil(100)), ms(times.len()));
    format!("p99 {p99:.1} ms, longest {most:.1} ms")
}
