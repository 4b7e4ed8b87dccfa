//! Contents of the Gitea: hostile texts, large lists, long names.

use std::fmt::Write as _;

use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::{OciLayer, OciManifest, VERSION, layer_type};
use registry_testing::archives::{File, packed};
use registry_testing::fake_gitea::state::State;
use serde_json::json;

use crate::hostile_archives::{bomb, crowd, linked, long_lines};

/// What a browser runs calls `canary`, which the tests watch.
const SCRIPTS: &str = "</p></title><script>canary('script')</script><svg onload=canary('svg')> \u{202e}gnp.exe \u{200b}\u{feff}end";

const README: &str = "# Hostile\n\n<script>canary('readme script')</script>\n\n\
    <p onclick=canary('click') onmouseover=canary('over') style='position:fixed;inset:0'>styled</p>\n\n\
    [link](javascript:canary('link')) [data](data:text/html,<script>canary('data')</script>)\n\n\
    <a href=' java\nscript:canary(1)'>split</a> <svg onload=canary('svg')><script>canary(2)</script></svg>\n\n\
    <img src=x onerror=canary('img')> ![remote](https://pictures.example/a.png)\n\n\
    <iframe srcdoc=\"<script>canary('frame')</script>\"></iframe> <math><mi xlink:href='javascript:canary(3)'>m</mi></math>\n\n\
    <form action=https://forms.example/><input name=q autofocus onfocus=canary('focus')><button>Send</button></form>\n\n\
    <meta http-equiv=refresh content='0;url=https://elsewhere.example/'><base href=https://elsewhere.example/>\n\n\
    <style>body{display:none}</style><link rel=stylesheet href=https://styles.example/a.css>\n\n\
    <details open ontoggle=canary('toggle')><summary>more</summary>text</details>\n\n\
    ### Skipped level\n\n<h1>Second first heading</h1>\n\n<div id=main>same id</div><div id=q>same id</div>\n\n\
    \u{202e}right to left \u{200b}\u{200d}zero width\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n- [ ] task\n- [x] done\n";

/// The recorded organization, and repositories that attack pages.
pub fn hostile() -> State {
    let mut state = State::recorded();
    hostile_texts(&mut state);
    long_texts(&mut state);
    many_versions(&mut state);
    archives(&mut state);
    manifest_beside(&mut state);
    three_versions(&mut state);
    state
}

fn hostile_texts(state: &mut State) {
    let name = "hostile_prov";
    state.create(name, SCRIPTS);
    state.repository_mut(name).json["topics"] = json!(["cloud", "a\"onmouseover=\"canary(4)"]);
    for (version, text) in [("1.0.0", "one"), ("1.1.0", "two <script>canary('file')</script>")] {
        let files = [
            File::new("hostile/main.sh", format!("#!/bin/sh\necho {text}\n")),
            File::new("hostile/<img src=x onerror=canary(5)>.txt", text),
            File::new("hostile/\u{202e}gnp.sh", text),
            File::new("hostile/page.html", "<script>canary('raw')</script>"),
            File::new(
                "hostile/picture.svg",
                "<svg xmlns='http://www.w3.org/2000/svg' onload='canary(6)'/>",
            ),
        ];
        release(state, name, version, &packed(&files));
        state.commit(name, version, &[("README.md", README.as_bytes())]);
        state.repository_mut(name).releases[0]["body"] = json!(README);
    }
}

fn long_texts(state: &mut State) {
    let long_name = format!("{}_prov", "a-very-long-name-".repeat(6).get(..95).unwrap());
    state.create(&long_name, "Has a name of one hundred characters");
    release(
        state,
        &long_name,
        "2026.11.29-nightly.20261129+build.1",
        &packed(&[File::new("a", "a")]),
    );

    let word = "x".repeat(1000);
    state.create("unbroken_taskserv", &word);
    release(state, "unbroken_taskserv", "1.0.0", &packed(&[File::new("a", &word)]));
    let readme =
        format!("# {word}\n\n{word}\n\n    {word}\n\n| {word} | b |\n| - | - |\n| {word} | 2 |\n");
    state.commit("unbroken_taskserv", "1.0.0", &[("README.md", readme.as_bytes())]);

    state.create("novel_taskserv", &"A sentence of the description. ".repeat(3300));
    release(state, "novel_taskserv", "1.0.0", &packed(&[File::new("a", "a")]));
    let chapter = "## Chapter\n\nA paragraph with `code` and **weight**.\n\n";
    let novel = chapter.repeat((1 << 20) / chapter.len());
    state.commit("novel_taskserv", "1.0.0", &[("README.md", novel.as_bytes())]);
}

fn many_versions(state: &mut State) {
    state.create("frequent_taskserv", "Has 250 versions");
    for number in 0..250 {
        let version = format!("1.{number}.0{}", if number % 10 == 9 { "-rc.1" } else { "" });
        let mut text = String::new();
        write!(text, "version {version}").unwrap();
        release(state, "frequent_taskserv", &version, &packed(&[File::new("version", text)]));
        let (month, day) = (number / 25 + 1, number % 25 + 1);
        let at = format!("2026-{month:02}-{day:02}T10:00:00Z");
        state.repository_mut("frequent_taskserv").releases[0]["published_at"] = json!(at);
    }
}

fn archives(state: &mut State) {
    for (name, description, archives) in [
        ("linked_cluster", "Its archive has links and set-uid files", linked().to_vec()),
        ("crowd_cluster", "Its archive has 10,001 files", vec![crowd()]),
        ("bomb_cluster", "Its archive expands a thousandfold", vec![bomb()]),
        ("lines_cluster", "Its archive has a line of 5 MB", vec![long_lines()]),
    ] {
        state.create(name, description);
        for (number, archive) in archives.iter().enumerate() {
            release(state, name, &format!("1.{number}.0"), archive);
        }
    }
}

fn three_versions(state: &mut State) {
    let name = "steady_cluster";
    state.create(name, "Has three versions");
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        release(state, name, version, &packed(&[File::new("version", version)]));
    }
}

/// A release with the manifest that its author wrote beside the archive.
fn manifest_beside(state: &mut State) {
    let (name, file) = ("published_taskserv", "published_taskserv.tar.gz");
    state.create(name, "Has a manifest beside its archive");
    let archive = packed(&[File::new("published/main.sh", "#!/bin/sh\n")]);
    let layer = OciLayer {
        media_type: layer_type(file).unwrap().to_owned(),
        digest: Digest::sha256(&archive),
        size: archive.len() as u64,
        title: "published-1.0.0.tar.gz".to_owned(),
    };
    let annotations =
        [(VERSION, "1.0.0"), ("org.opencontainers.image.description", "Described by its author")];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let manifest = OciManifest { layers: vec![layer], annotations }.to_bytes();
    let beside = format!("{file}.manifest.json");
    state.publish(name, "1.0.0", &[(file, &archive), (&beside, &manifest)]);
}

fn release(state: &mut State, repository: &str, tag: &str, archive: &[u8]) {
    state.publish(repository, tag, &[(&format!("{repository}.tar.gz"), archive)]);
}
