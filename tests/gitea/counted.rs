//! All thirty cases of the specification of this client are tests.

const SOURCES: [&str; 5] = [
    include_str!("cases_of_listing.rs"),
    include_str!("cases_of_releases.rs"),
    include_str!("cases_of_bytes.rs"),
    include_str!("cases_of_failures.rs"),
    include_str!("cases_of_hooks.rs"),
];

#[test]
fn each_of_the_thirty_cases_is_one_test() {
    let names: Vec<&str> = SOURCES
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.trim_start_matches("async ").strip_prefix("fn case_"))
        .collect();
    for number in 1..=30 {
        let count = names.iter().filter(|name| name.starts_with(&format!("{number:02}_"))).count();
        assert_eq!(count, 1, "case {number}");
    }
    assert_eq!(names.len(), 30);
}
