//! The thirty ways in which registries differ, each once, by its number.

mod discovery;
mod entry;
mod limits;
mod redirects;
mod shapes;
mod transfer;

/// This file and its parts, to count what is in them.
const SOURCES: [&str; 4] = [
    include_str!("cases/discovery.rs"),
    include_str!("cases/entry.rs"),
    include_str!("cases/shapes.rs"),
    include_str!("cases/transfer.rs"),
];

#[test]
fn every_case_has_its_test() {
    let mut numbers: Vec<u32> = SOURCES
        .iter()
        .flat_map(|source| source.split("async fn case_").skip(1))
        .map(|rest| rest[..2].parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=30).collect::<Vec<u32>>());
}
