//! Kills at every point of a pull and of publishing: nothing wrong stays, and the next run ends well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use registry_testing::tools::is_installed;

use crate::client::publish::{at_epoch, extension, whole_tags};
use crate::client::rig::{Rig, User, names, packed};

pub const STRACE: &str = "/usr/bin/strace";

/// System calls that change files, or talk to the registry.
const CALLS: &str = "write,writev,ftruncate,fsync,rename,renameat,renameat2,linkat,link,mkdir,unlink,unlinkat,rmdir,connect,sendto";
/// Kills at random calls, after one at each of the counted ones.
const RANDOM: usize = 100;
const NAMES: [&str; 2] = ["a", "b"];

fn archive(name: &str) -> Vec<u8> {
    let text: String =
        (0..20_000_u32).map(|n| format!("{name} {}\n", n.wrapping_mul(2_654_435_761))).collect();
    packed(&[("bin/run", "#!/bin/sh\n"), ("docs/README.md", name), ("data", &text)])
}

/// A system call: its name, and which of the calls of that name in one thread.
pub type Point = (String, usize);

fn pull(user: &User, kill_at: Option<&Point>) -> Vec<Point> {
    traced(
        user,
        &user.command(&["pull", "provider/a", "provider/b", "--extract", "out", "--quiet"]),
        kill_at,
    )
}

/// Runs a command under strace. It is killed where one of its threads enters the call of this point.
/// Returns every point.
pub fn traced(user: &User, traced: &Command, kill_at: Option<&Point>) -> Vec<Point> {
    let log = user.home("calls");
    fs::create_dir_all(user.home("")).unwrap();
    let mut command = Command::new(STRACE);
    command.args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={CALLS}"), "-o"]);
    command.arg(&log);
    if let Some((call, at)) = kill_at {
        command.args(["-e", &format!("inject={call}:signal=KILL:when={at}")]);
    }
    command.arg(traced.get_program()).args(traced.get_args()).current_dir(user.project());
    command.env_clear().envs(traced.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(kill_at.is_some() || output.status.success(), "{output:?}");
    points(&fs::read_to_string(log).unwrap())
}

/// Counts the calls of each thread in a log with lines such as `12 write(1, "x", 1) = 1`.
fn points(log: &str) -> Vec<Point> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut points = BTreeSet::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        let count = counts.entry((thread, call)).or_default();
        *count += 1;
        points.insert((call.to_owned(), *count));
    }
    points.into_iter().filter(|(call, _)| CALLS.split(',').any(|known| known == call)).collect()
}

/// Looks at everything that has its final name.
fn assert_whole(user: &User, all: bool) {
    for name in NAMES {
        let file = user.project().join(format!("{name}-1.0.0.tar.gz"));
        assert!(!all || file.exists());
        if file.exists() {
            assert!(fs::read(&file).unwrap() == archive(name), "{name} is another file");
        }
        let directory = user.project().join("out/provider").join(name);
        assert!(!all || directory.exists());
        if directory.exists() {
            let readme = fs::read_to_string(directory.join("docs/README.md")).unwrap();
            assert_eq!(readme, name);
            let mark = fs::read_to_string(directory.join(".extension.json")).unwrap();
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&mark).unwrap()["version"],
                "1.0.0"
            );
            assert!(directory.join("data").exists() && directory.join("bin/run").exists());
        }
    }
}

#[test]
fn a_pull_that_is_killed_anywhere_leaves_no_wrong_file_and_the_next_one_ends_well() {
    if !is_installed(STRACE) {
        return;
    }
    let archives = NAMES.map(archive);
    let rig =
        Rig::with(&[("provider/a", "1.0.0", &archives[0]), ("provider/b", "1.0.0", &archives[1])]);
    let user = rig.user;
    let points = pull(&user, None);
    assert_whole(&user, true);
    let mut random = fastrand::Rng::with_seed(23);
    let random: Vec<&Point> = (0..RANDOM).map(|_| &points[random.usize(0..points.len())]).collect();
    for at in points.iter().chain(random) {
        user.reset();
        pull(&user, Some(at));
        assert_whole(&user, false);
        user.succeeds(&["pull", "provider/a", "provider/b", "--extract", "out"]);
        assert_whole(&user, true);
    }
    println!("killed at {RANDOM} random calls, and at each of these: {points:?}");
    assert!(points.len() > 30, "{points:?} are less than a pull needs");
}

#[test]
fn a_publisher_that_is_killed_anywhere_leaves_nothing_or_the_whole_version() {
    if !is_installed(STRACE) {
        return;
    }
    let user = User::of("");
    let (root, layout) = (user.project().join("out"), user.project().join("out/demo-provider"));
    let publish = |version: &str, kill_at: Option<&Point>| {
        extension(&user, version, "x");
        let command = at_epoch(&user, &["publish", "ext", "--to", "local:out", "--quiet"]);
        traced(&user, &command, kill_at)
    };
    let versions = || whole_tags(&layout).into_keys().collect::<Vec<String>>();
    let mut kills = 0;
    // A layout that is new, and one that has a version already.
    for before in [&[][..], &["0.9.0"]] {
        let prepare = || {
            let _ = fs::remove_dir_all(&root);
            for version in before {
                publish(version, None);
            }
        };
        prepare();
        let points = publish("1.0.0", None);
        for at in &points {
            prepare();
            publish("1.0.0", Some(at));
            let found = versions();
            let (kept, new) = found.split_at(before.len().min(found.len()));
            assert!(kept == before && (new.is_empty() || new == ["1.0.0"]), "{at:?}: {found:?}");
            publish("1.0.0", None);
            assert_eq!(versions().len(), before.len() + 1, "{at:?}");
            assert_eq!(names(&root), ["demo-provider"], "{at:?}");
            assert_eq!(names(&layout), ["blobs", "index.json", "oci-layout"], "{at:?}");
            kills += 1;
        }
        assert!(points.len() > 10, "{points:?} are less than a version needs");
    }
    println!("killed {kills} times, each time at another call");
}
