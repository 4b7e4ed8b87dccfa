//! Packing of 100 MiB, beside `tar | gzip -9` of the system on the same files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement may fail loudly, and its output is its result"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use registry_packing::{Exclusions, pack_directory};

const MIB: usize = 1 << 20;
const RUNS: usize = 3;

/// Half scripts and settings, half bytes that hardly compress: what extensions hold.
fn fill(dir: &Path) {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for file in 0..100 {
        let mut bytes = Vec::with_capacity(MIB);
        while bytes.len() < MIB {
            let number = random();
            if file % 2 == 0 {
                let line = format!("setting_{} = \"value {}\"\n", number % 997, number % 7919);
                bytes.extend_from_slice(line.as_bytes());
            } else {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes.truncate(MIB);
        fs::write(dir.join(format!("{file}.txt")), bytes).unwrap();
    }
}

fn best(mut run: impl FnMut()) -> Duration {
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    times.min().unwrap()
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    fs::create_dir(&files).unwrap();
    fill(&files);
    let ours = best(|| {
        let out = File::create(dir.path().join("ours.tar.gz")).unwrap();
        let mut out = std::io::BufWriter::new(out);
        pack_directory(&files, &Exclusions::default(), &mut out).unwrap();
        out.flush().unwrap();
    });
    let theirs = best(|| {
        let out = File::create(dir.path().join("theirs.tar.gz")).unwrap();
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(&files).args(["--sort=name", "-cf", "-", "."]).stdout(Stdio::piped());
        let mut tar = tar.spawn().unwrap();
        let input = tar.stdout.take().unwrap();
        let gzip = Command::new("gzip").args(["-n", "-9"]).stdin(input).stdout(out).status();
        assert!(gzip.unwrap().success() && tar.wait().unwrap().success());
    });
    let size = |name: &str| fs::metadata(dir.path().join(name)).unwrap().len();
    let share = theirs.as_secs_f64() / ours.as_secs_f64();
    println!(
        "100 MiB: extreg pack {ours:.2?}, {} bytes; tar | gzip -9 {theirs:.2?}, {} bytes; {share:.2} of its speed",
        size("ours.tar.gz"),
        size("theirs.tar.gz"),
    );
}
