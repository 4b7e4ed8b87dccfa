//! Archives that attack their reader.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use registry_testing::archives::{File, packed};
use tar::EntryType;

/// Links, paths and modes that lead out of the archive: an older version, and a newer one.
pub fn linked() -> [Vec<u8>; 2] {
    let older = [File::new("linked/run.sh", "#!/bin/sh\n"), File::new("linked/gone.txt", "gone\n")];
    let newer = [
        File::directory("linked/"),
        File::new("linked/run.sh", "#!/bin/sh\nexit\n").mode(0o4755),
        File::link("linked/passwd", EntryType::Symlink, "../../etc/passwd"),
        File::link("linked/hard", EntryType::Link, "/etc/shadow"),
        File::link("linked/device", EntryType::Char, ""),
        File::new("../../x", "outside\n"),
        File::new("/etc/cron.d/x", "absolute\n"),
        File::new("linked/a\nb\u{1b}[31m.txt", "control\n"),
        File::new(b"linked/\xff\xfe.txt", "not UTF-8\n"),
        File::new("linked/data.bin", [0, 159, 146, 150]),
        File::new("linked/empty", ""),
    ];
    [packed(&older), packed(&newer)]
}

/// More files than are listed.
pub fn crowd() -> Vec<u8> {
    let file = |number| File::new(format!("crowd/{:02}/{number:05}.txt", number % 100), "");
    packed(&(0..10_001).map(file).collect::<Vec<_>>())
}

/// 64 MiB of zeros in a few kilobytes.
pub fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

/// A line of 500 KB, which is shown, and one of 5 MB, which is not.
pub fn long_lines() -> Vec<u8> {
    packed(&[
        File::new("lines/shown.txt", line(500_000)),
        File::new("lines/large.txt", line(5_000_000)),
    ])
}

/// Letters that do not compress beyond the ratio that is read.
fn line(length: usize) -> String {
    let mut state = 1_u32;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_digit(state >> 27, 36).unwrap()
    });
    letters.take(length).collect()
}
