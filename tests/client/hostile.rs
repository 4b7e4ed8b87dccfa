//! Names, descriptions and archives that attack.

use registry_testing::ids::id;

use crate::client::rig::{Rig, names, packed, publish};
use crate::support::layouts;

#[test]
fn escape_sequences_of_a_publisher_never_reach_the_terminal() {
    let described = "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}red\r\nprovider/x\t9.9.9";
    let rig = Rig::publishing(|root| {
        layouts::publish(root, &id("provider/aws"), "1.0.0", described, b"x");
    });
    for arguments in [
        &["list"][..],
        &["show", "aws"],
        &["search", "owned"],
        &["list", "-o", "json"],
        &["list", "-o", "nuon"],
    ] {
        let shown = rig.user.succeeds(arguments).stdout;
        let bad = |c: char| {
            (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}' && arguments.len() < 3
        };
        assert!(!shown.contains(bad), "{arguments:?}: {shown:?}");
    }
    let listed = rig.user.succeeds(&["list"]).stdout;
    assert_eq!(listed.lines().count(), 2, "one line for one row: {listed}");
}

#[test]
fn a_hostile_archive_is_refused_with_its_entry_and_nothing_is_unpacked() {
    let archive = packed(&[("good", "x"), ("../../escaped", "x")]);
    let rig = Rig::with(&[("provider/aws", "1.0.0", &archive)]);
    rig.user.fails(
        &["pull", "aws", "--extract", "out"],
        6,
        "../../escaped: its path has a part ..",
    );
    assert_eq!(names(&rig.user.project().join("out/provider")), [""; 0]);
    assert!(!rig.user.project().join("escaped").exists());
    assert_eq!(rig.user.names(), ["aws-1.0.0.tar.gz", "out"], "the archive itself is kept");
}

#[test]
fn a_title_is_never_a_path() {
    for title in ["../../x.tar.gz", "/etc/x.tar.gz", ".hidden.tar.gz", "-rf.tar.gz"] {
        let rig = Rig::publishing(|root| publish(root, "provider/aws", "1.0.0", title, b"x"));
        rig.user.succeeds(&["pull", "aws"]);
        let [name] = &rig.user.names()[..] else { panic!("{:?}", rig.user.names()) };
        assert!(name.ends_with(".tar.gz") && !name.starts_with(['.', '-']), "{name}");
    }
}
