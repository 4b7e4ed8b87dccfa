//! Somebody else at work on the same release.

use std::process::Output;

use serde_json::json;

use crate::client::gitea::{Author, FILES, names};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_somebody_else_ends_the_run_and_is_not_published() {
    for (name, expected) in [
        ("body", 8),
        ("title", 8),
        ("file", 8),
        ("deleted file", 8),
        ("prerelease", 8),
        ("deleted", 8),
    ] {
        let author = Author::new().await;
        // Just before the draft is checked: after the last file.
        author.fake.edit_before("assets?name=README.md", move |state| {
            let releases = &mut state.repository_mut("aws_prov").releases;
            let release = &mut releases[0];
            match name {
                "body" => release["body"] = json!("edited"),
                "title" => release["name"] = json!("edited"),
                "prerelease" => release["prerelease"] = json!(true),
                "file" => {
                    let other = json!({"id": 9, "name": "virus.tar.gz", "size": 1, "uuid": "x"});
                    release["assets"].as_array_mut().unwrap().push(other);
                }
                "deleted file" => {
                    release["assets"].as_array_mut().unwrap().remove(0);
                }
                _ => releases.clear(),
            }
        });
        let ran = author.publish(&[]);
        assert_eq!(ran.code, expected, "{name}: {}", ran.stderr);
        let published = author.releases().iter().filter(|one| one["draft"] == false).count();
        assert_eq!(published, 0, "{name}");
        // Only the draft that is still ours is removed.
        assert_eq!(author.releases().len(), usize::from(name == "title"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_somebody_else_publishes_is_never_deleted() {
    let author = Author::new().await;
    author.fake.edit_before("assets?name=README.md", |state| {
        state.repository_mut("aws_prov").releases[0]["draft"] = json!(false);
    });
    author.fails(&[], 8, "another");
    assert_eq!(author.releases()[0]["draft"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_of_somebody_else_stays_and_one_that_was_left_behind_does_not() {
    let author = Author::new().await;
    author.fake.edit(|state| {
        state.publish("aws_prov", "1.2.0", &[("notes.txt", b"x")]);
        let draft = &mut state.repository_mut("aws_prov").releases[0];
        draft["draft"] = json!(true);
        draft["name"] = json!("1.2.0");
    });
    author.writes();
    author.fails(&[], 8, "has a draft of 1.2.0 that extreg did not make");
    assert_eq!(author.writes(), [""; 0]);
    author.fake.edit(|state| {
        let draft = &mut state.repository_mut("aws_prov").releases[0];
        draft["name"] = json!("1.2.0 (unfinished, extreg publish 0123456789abcdef)");
    });
    author.publishes(&[]);
    author.whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_publishers_at_once_make_one_whole_release() {
    for round in 0..12 {
        let author = Author::new().await;
        let other = {
            std::fs::create_dir_all(author.user.project().join("other")).unwrap();
            for name in ["extension.toml", "README.md"] {
                author
                    .user
                    .write(&format!("other/{name}"), &author.user.read(&format!("aws/{name}")));
            }
            // Every other round they have the same content.
            author.user.write("other/main.k", if round % 2 == 0 { "1" } else { "2" });
            let mut arguments = author.arguments(&[]);
            "other".clone_into(&mut arguments[1]);
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut command = author.user.command(&words);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        };
        let one = author.spawn(&[]);
        let outputs = [one, other].map(|child| child.wait_with_output().unwrap());
        let codes = outputs.each_ref().map(|Output { status, .. }| status.code().unwrap());
        let told = outputs.map(|output| String::from_utf8(output.stderr).unwrap());
        assert!(codes.iter().all(|code| [0, 8].contains(code)), "{codes:?} {told:?}");
        for release in author.releases().iter().filter(|release| release["draft"] == false) {
            assert_eq!(names(release), FILES, "{codes:?} {told:?}");
        }
        if codes.contains(&0) {
            author.whole();
        }
        author.publish(&["--replace"]);
        author.whole();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_differ_in_case_are_one_release_at_gitea() {
    let author = Author::new().await;
    author.fake.edit(|state| {
        state.publish("aws_prov", "1.2.0-RC.1", &[("aws_prov.tar.gz", b"x")]);
    });
    author.writes();
    author.fails(&["--version", "1.2.0-rc.1"], 8, "differs from 1.2.0-rc.1 in case only");
    assert_eq!(author.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_is_named_as_the_server_spells_the_repository() {
    let author = Author::new().await;
    author.fake.edit(|state| state.repository_mut("aws_prov").json["name"] = json!("AWS_prov"));
    author.publishes(&[]);
    assert!(names(&author.releases()[0]).contains(&"AWS_prov.tar.gz".to_owned()));
}
