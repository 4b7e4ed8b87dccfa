//! Requests of a mirror, counted in the log of the service.

use crate::client::mirror::rig;
use crate::client::rig::{Rig, packed};

#[test]
fn an_unchanged_mirror_makes_one_question_for_each_extension() {
    let mut rig = rig();
    rig.user.succeeds(&["mirror", "--to", "mirror"]);
    rig.end();
    let mut rig = rig.and(&[]);
    let ran = rig.user.succeeds(&["mirror", "--to", "mirror"]);
    assert!(ran.stderr.contains("copied 0, unchanged 5"), "{}", ran.stderr);
    let mut paths = rig.end();
    paths.sort();
    assert_eq!(
        paths,
        [
            "/api/v1/extensions/cluster/c/versions",
            "/api/v1/extensions/provider/a/versions",
            "/api/v1/extensions/taskserv/b/versions",
            "/api/v1/extensions?limit=1000&offset=0",
        ]
    );
}

#[test]
fn a_mirror_of_300_versions_makes_few_requests_besides_those_for_content() {
    let archives: Vec<Vec<u8>> = (0..300)
        .map(|n| packed(&[("main.k", &format!("{n}")), ("README.md", "# Same\n")]))
        .collect();
    let names: Vec<(String, String)> =
        (0..300).map(|n| (format!("taskserv/x{}", n % 3), format!("1.{n}.0"))).collect();
    let releases: Vec<(&str, &str, &[u8])> = names
        .iter()
        .zip(&archives)
        .map(|((name, version), archive)| (name.as_str(), version.as_str(), archive.as_slice()))
        .collect();
    let mut rig = Rig::with(&releases);
    let ran = rig.user.succeeds(&["mirror", "--to", "mirror", "--quiet", "-o", "name"]);
    assert_eq!(ran.stdout.lines().count(), 300);
    let paths = rig.end();
    let content = |path: &&String| {
        let is_list = path.ends_with("/versions") || path.contains("/extensions?");
        !is_list && !path.contains("/_catalog")
    };
    let content = paths.iter().filter(content).count();
    println!("{} requests, {content} of them for content", paths.len());
    assert!(content >= 300 && paths.len() * 10 <= content * 12, "{} {content}", paths.len());
}
