//! Kills at every write and every request: what is listed is whole, and the next run goes on.

use registry_testing::tools::is_installed;

use crate::client::kills::{Point, STRACE, traced};
use crate::client::rig::{Rig, packed};

/// Kills at this many points at most, spread over all of them.
const KILLS: usize = 150;

#[test]
fn a_mirror_that_is_killed_anywhere_is_whole_and_goes_on() {
    if !is_installed(STRACE) {
        return;
    }
    let text: String =
        (0..20_000_u32).map(|n| format!("{}\n", n.wrapping_mul(2_654_435_761))).collect();
    let one = packed(&[("README.md", "# A\n"), ("data", &text)]);
    let two = packed(&[("README.md", "# A\n"), ("data", "2")]);
    let rig = Rig::with(&[("provider/a", "1.0.0", &one), ("provider/a", "1.1.0", &two)]);
    let user = &rig.user;
    let arguments = ["mirror", "--to", "mirror", "--quiet"];
    let points = traced(user, &user.command(&arguments), None);
    assert!(points.len() > 30, "{points:?} are less than a mirror needs");
    let step = points.len().div_ceil(KILLS);
    let chosen: Vec<&Point> = points.iter().step_by(step).collect();
    for at in &chosen {
        user.reset();
        traced(user, &user.command(&arguments), Some(at));
        if user.project().join("mirror").exists() {
            user.succeeds(&["mirror", "--verify", "mirror"]);
        }
        user.succeeds(&["mirror", "--to", "mirror"]);
        let verified = user.succeeds(&["mirror", "--verify", "mirror", "-o", "name"]);
        assert_eq!(verified.stdout.lines().count(), 2, "{at:?}");
    }
    println!("killed at {} of {} points", chosen.len(), points.len());
}
