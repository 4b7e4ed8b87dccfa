//! `pull`: files in place, whole and verified, whatever happens on the way.

use std::fs;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};

use registry_core::models::digest::Digest;
use std::io::Write as _;

use crate::client::fake::{Asked, Fake, response};
use crate::client::rig::{Ran, Rig, User, names};

const AWS: &str = "provider/aws";

fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// The metadata of the only release of a fake registry.
fn metadata(archive: &[u8]) -> Vec<u8> {
    let body = serde_json::json!({
        "name": "aws", "type": "provider", "version": "1.0.0", "published_at": null,
        "download_url": null, "size": archive.len(), "tag": "1.0.0", "prerelease": false,
        "digest": Digest::sha256(archive).to_string(), "source": "oci", "backend": "oci",
        "href": "/", "description": null, "author": null, "repository": null, "keywords": [],
        "license": null, "notes": null, "manifest_digest": null, "digest_status": "known",
        "change": null, "pin": null, "assets": [],
    });
    response("200 OK", "content-type: application/json\r\n", body.to_string())
}

/// The first byte that a request asks for.
fn start_of(asked: &Asked) -> Option<usize> {
    let (_, range) = asked.head.split_once("range: bytes=")?;
    range.split_once('-')?.0.parse().ok()
}

/// Headers of an archive, from a byte on.
fn headers(archive: &[u8], start: usize) -> String {
    let (status, length) =
        if start == 0 { ("200 OK", archive.len()) } else { ("206 Part", archive.len() - start) };
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\netag: \"{}\"\r\n\
         content-disposition: attachment; filename=\"aws-1.0.0.tar.gz\"\r\nconnection: close\r\n\r\n",
        Digest::sha256(archive)
    )
}

/// A registry of one release. The body of the n-th download ends after this many bytes.
fn breaking(archive: &'static [u8], ends: impl Fn(usize) -> usize + Send + 'static) -> Fake {
    let downloads = AtomicUsize::new(0);
    Fake::writing(move |asked, stream| {
        if asked.target.ends_with("/metadata") {
            stream.write_all(&metadata(archive)).unwrap();
            return;
        }
        let start = start_of(asked).unwrap_or(0);
        let _ = stream.write_all(headers(archive, start).as_bytes());
        if asked.method == "GET" {
            let end = start.saturating_add(ends(downloads.fetch_add(1, Ordering::SeqCst)));
            let _ = stream.write_all(&archive[start..end.min(archive.len())]);
        }
        let _ = stream.shutdown(Shutdown::Write);
    })
}

#[test]
fn archives_are_put_in_place_once() {
    let rig = Rig::with(&[(AWS, "1.0.0", b"one"), ("taskserv/b", "2.0.0", b"two")]);
    let user = &rig.user;
    let rows = user.succeeds(&["pull", AWS, "b", "-o", "json"]).rows();
    let fields = [
        "id", "version", "tag", "source", "backend", "digest", "size", "path", "changed", "resumed",
    ];
    for row in &rows {
        assert!(fields.iter().all(|field| !row[field].is_null()), "{row}");
        assert_eq!((&row["changed"], &row["resumed"]), (&true.into(), &false.into()));
    }
    assert_eq!(user.names(), ["aws-1.0.0.tar.gz", "b-2.0.0.tar.gz"]);
    assert_eq!(user.read("aws-1.0.0.tar.gz"), "one");
    let again = user.succeeds(&["pull", AWS, "-o", "json"]);
    assert_eq!(again.rows()[0]["changed"], false);
    assert!(again.stderr.contains("unchanged provider/aws 1.0.0"), "{}", again.stderr);
    let quiet = user.succeeds(&["pull", AWS, "--quiet"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

#[test]
fn a_failed_reference_stops_everything_before_a_byte_is_fetched() {
    let mut rig = Rig::with(&[(AWS, "1.0.0", b"one")]);
    rig.user.fails(&["pull", AWS, "provider/nothing"], 3, "provider/nothing not found");
    assert!(rig.user.names().is_empty());
    let paths = rig.end();
    assert!(
        paths.iter().all(|path| path.ends_with("/metadata") || path.contains("search")),
        "{paths:?}"
    );
}

#[test]
fn another_file_in_the_place_stays_unless_forced() {
    let rig = Rig::with(&[(AWS, "1.0.0", b"one")]);
    let user = &rig.user;
    user.write("aws-1.0.0.tar.gz", "mine");
    user.fails(&["pull", AWS], 8, "another file: it has the digest sha256:");
    assert_eq!(user.read("aws-1.0.0.tar.gz"), "mine");
    user.succeeds(&["pull", AWS, "--force"]);
    assert_eq!(user.read("aws-1.0.0.tar.gz"), "one");
    fs::create_dir_all(user.project().join("to/aws-1.0.0.tar.gz")).unwrap();
    user.fails(&["pull", AWS, "--to", "to", "--force"], 8, "no regular file");
}

#[test]
fn a_dry_run_says_what_would_be_fetched() {
    let rig = Rig::with(&[(AWS, "1.0.0", b"one")]);
    let planned = rig.user.succeeds(&["pull", AWS, "--dry-run"]).stdout;
    assert!(
        planned.contains("provider/aws\t1.0.0\t3 B\tto fetch\t./aws-1.0.0.tar.gz"),
        "{planned}"
    );
    assert!(rig.user.names().is_empty());
}

#[test]
fn one_file_of_a_release_is_fetched_by_its_name() {
    let rig = Rig::with(&[(AWS, "1.0.0", b"one")]);
    rig.user.succeeds(&["pull", AWS, "--asset", "aws-1.0.0.tar.gz"]);
    rig.user.fails(&["pull", AWS, "--asset", "none"], 3, "provider/aws 1.0.0 has no file none");
}

#[test]
fn a_download_that_breaks_off_goes_on_at_that_byte() {
    let archive: &'static [u8] = noise(300_000).leak();
    let fake = breaking(archive, |download| [100_000, 1, 150_000, usize::MAX][download.min(3)]);
    let user = User::of(&fake.url);
    user.succeeds(&["pull", AWS]);
    assert_eq!(fs::read(user.project().join("aws-1.0.0.tar.gz")).unwrap(), archive);
    let starts: Vec<Option<usize>> =
        fake.asked().iter().filter(|asked| asked.method == "GET").skip(1).map(start_of).collect();
    assert_eq!(starts, [None, Some(100_000), Some(100_001), Some(250_001)]);
    assert_eq!(user.names(), ["aws-1.0.0.tar.gz"]);
}

#[test]
fn a_download_without_progress_ends_and_the_next_run_goes_on() {
    let archive: &'static [u8] = noise(300_000).leak();
    let fake = breaking(archive, |download| if download == 0 { 100_000 } else { 0 });
    let user = User::of(&fake.url);
    user.fails(&["pull", AWS], 5, "broke off at byte 100000");
    assert_eq!(fake.asked().iter().filter(|asked| start_of(asked).is_some()).count(), 5);
    let part = format!(".aws-1.0.0.tar.gz.part-{}", &Digest::sha256(archive).hex()[..12]);
    assert_eq!(user.names(), [part.as_str()]);
    let whole = breaking(archive, |_| usize::MAX);
    let rows = user.succeeds(&["pull", AWS, "-s", &whole.url, "-o", "json"]).rows();
    assert_eq!(rows[0]["resumed"], true);
    assert_eq!(start_of(whole.asked().last().unwrap()), Some(100_000));
    assert_eq!(fs::read(user.project().join("aws-1.0.0.tar.gz")).unwrap(), archive);
    assert_eq!(user.names(), ["aws-1.0.0.tar.gz"]);
}

#[test]
fn a_damaged_part_is_fetched_anew() {
    let archive: &'static [u8] = noise(300_000).leak();
    let fake = breaking(archive, |_| usize::MAX);
    let user = User::of(&fake.url);
    let part = format!(".aws-1.0.0.tar.gz.part-{}", &Digest::sha256(archive).hex()[..12]);
    for damaged in [vec![0; 1000], vec![0; 400_000]] {
        fs::write(user.project().join(&part), damaged).unwrap();
        user.succeeds(&["pull", AWS, "--force"]);
        assert_eq!(fs::read(user.project().join("aws-1.0.0.tar.gz")).unwrap(), archive);
        assert_eq!(user.names(), ["aws-1.0.0.tar.gz"]);
        fs::remove_file(user.project().join("aws-1.0.0.tar.gz")).unwrap();
        fs::remove_dir_all(user.home("")).unwrap();
    }
}

#[test]
fn other_bytes_than_promised_are_not_kept() {
    let archive: &'static [u8] = noise(3000).leak();
    let other: &'static [u8] = noise(2999).leak();
    for sent in [other, [archive, b"x"].concat().leak()] {
        let fake = Fake::writing(move |asked, stream| {
            if asked.target.ends_with("/metadata") {
                stream.write_all(&metadata(archive)).unwrap();
                return;
            }
            let length = if asked.method == "HEAD" { archive.len() } else { sent.len() };
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            if asked.method == "GET" {
                let _ = stream.write_all(sent);
            }
        });
        let user = User::of(&fake.url);
        let ran = user.run(&["pull", AWS]);
        assert_eq!(ran.code, 6, "{}", ran.stderr);
        assert!(user.names().is_empty(), "{:?}", user.names());
    }
}

#[test]
fn the_cache_serves_offline_and_a_damaged_one_is_fetched_again() {
    let mut rig = Rig::with(&[(AWS, "1.0.0", b"one")]);
    let user = &rig.user;
    user.succeeds(&["add", AWS]);
    user.fails(&["pull", "--offline"], 5, "neither in the directory nor in the cache");
    user.succeeds(&["pull"]);
    let ran = user.succeeds(&["pull", "--to", "other"]);
    assert!(ran.stderr.contains("from the cache"), "{}", ran.stderr);
    let digest = Digest::sha256(b"one");
    let kept = user.home(".cache/extension-registry/sha256").join(&digest.hex()[..2]);
    fs::write(kept.join(digest.hex()), "two").unwrap();
    let ran = user.succeeds(&["pull", "--to", "third"]);
    assert!(ran.stderr.contains("from local"), "{}", ran.stderr);
    rig.end();
    let user = &rig.user;
    user.succeeds(&["pull", "--offline", "--to", "fourth"]);
    assert_eq!(user.read("fourth/aws-1.0.0.tar.gz"), "one");
    user.fails(&["pull", "--to", "fifth", AWS], 5, "does not answer");
}

#[test]
fn two_pulls_into_one_directory_at_once_both_succeed() {
    let archive: &'static [u8] = noise(2_000_000).leak();
    let rig = Rig::with(&[(AWS, "1.0.0", archive), ("taskserv/b", "1.0.0", &archive[1..])]);
    let spawn = || {
        let mut command = rig.user.command(&["pull", AWS, "b"]);
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| spawn()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(rig.user.names(), ["aws-1.0.0.tar.gz", "b-1.0.0.tar.gz"]);
    let dir = rig.user.project();
    assert!(fs::read(dir.join("aws-1.0.0.tar.gz")).unwrap() == archive);
    assert!(fs::read(dir.join("b-1.0.0.tar.gz")).unwrap() == archive[1..]);
}

#[test]
fn files_of_equal_names_are_kept_apart() {
    let rig = Rig::with(&[("provider/same", "1.0.0", b"one"), ("cluster/same", "1.0.0", b"two")]);
    rig.user.succeeds(&["add", "provider/same", "cluster/same"]);
    rig.user.succeeds(&["pull", "--to", "to"]);
    assert_eq!(
        names(&rig.user.project().join("to")),
        ["cluster-same-same-1.0.0.tar.gz", "provider-same-same-1.0.0.tar.gz"]
    );
    rig.user.succeeds(&["verify", "to"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_only_the_part_and_ends_with_130() {
    let archive: &'static [u8] = noise(300_000).leak();
    let (sender, half_sent) = std::sync::mpsc::channel();
    let fake = Fake::writing(move |asked, stream| {
        if asked.target.ends_with("/metadata") {
            stream.write_all(&metadata(archive)).unwrap();
            return;
        }
        stream.write_all(headers(archive, 0).as_bytes()).unwrap();
        if asked.method == "GET" {
            stream.write_all(&archive[..150_000]).unwrap();
            sender.send(()).unwrap();
            // The client ends the connection.
            let _ = std::io::Read::read(stream, &mut [0]);
        }
    });
    let user = User::of(&fake.url);
    let mut child =
        user.command(&["pull", AWS]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    half_sent.recv().unwrap();
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let names = user.names();
    assert!(names.iter().all(|name| name.contains(".part-")), "{names:?}");
}

/// Root may write everywhere, so that only a place that nobody can write to shows the failure.
#[cfg(target_os = "linux")]
#[test]
fn a_place_that_cannot_be_written_is_named() {
    let rig = Rig::with(&[(AWS, "1.0.0", b"one")]);
    rig.user.fails(&["pull", AWS, "--to", "/proc/x"], 1, "/proc/x cannot be made");
    rig.user.write("file", "");
    rig.user.fails(&["pull", AWS, "--to", "file/below"], 1, "file/below cannot be made");
}

#[test]
fn a_file_size_limit_is_a_failure_that_leaves_no_wrong_file() {
    let archive: &'static [u8] = noise(300_000).leak();
    let rig = Rig::with(&[(AWS, "1.0.0", archive)]);
    let pull = rig.user.command(&["pull", AWS]);
    let mut limited = std::process::Command::new("sh");
    // A full disk that needs no right to mount one: beyond 64 KiB every write fails.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""]).arg(pull.get_program());
    limited.args(pull.get_args()).current_dir(rig.user.project()).env_clear();
    limited.envs(pull.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = Ran::of(&mut limited);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot be written: File too large"), "{}", ran.stderr);
    assert!(rig.user.names().iter().all(|name| name.contains(".part-")), "{:?}", rig.user.names());
    rig.user.succeeds(&["pull", AWS]);
    assert!(fs::read(rig.user.project().join("aws-1.0.0.tar.gz")).unwrap() == archive);
}
