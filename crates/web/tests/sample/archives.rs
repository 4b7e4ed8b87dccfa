//! Sample pages about archives: files, changes and provenance.

use registry_web::clean_html::CleanHtml;
use registry_web::error::Result;
use registry_web::pages::changes::{
    ChangesPage, ComparisonView, DiffView, FileChangeView, HunkView, LineKind, LineView, Notes,
};
use registry_web::pages::file::{FileContents, FilePage};
use registry_web::pages::files::{Contents, EntryKind, EntryRow, FilesPage};
use registry_web::pages::provenance::{
    BackendTable, Cell, ComparedVersion, OtherBackend, OwnershipView, PinOrigin, PinView,
    ProvenancePage,
};
use registry_web::site::Site;

use super::extension::{head, hostile_head};
use super::{Sample, WORD_1000, digest, hostile, hostile_path, sample, time};

pub fn samples(site: &Site) -> Result<Vec<Sample>> {
    let with = |contents| FilesPage { head: head(), contents };
    let text = |text: &str| FilePage { contents: FileContents::Text(text.to_owned()), ..file() };
    let compared = |comparison| ChangesPage { comparison, ..changes() };
    let changed = ProvenancePage { pin: pin(true), ownership: orphaned(), ..provenance() };
    let unknown = ProvenancePage {
        pin: PinView::Unknown,
        permanent: None,
        ownership: undetermined(),
        notable_files: None,
        table: BackendTable::default(),
        ..provenance()
    };
    let reason = "it is a zip archive".to_owned();
    Ok(vec![
        sample("files", with(listed(entries())).render(site))?,
        sample("files-hostile", hostile_files().render(site))?,
        sample(
            "files-unfetched",
            with(Contents::NotFetched { size: Some(3_100_000) }).render(site),
        )?,
        sample("files-unreadable", with(Contents::Unreadable { reason }).render(site))?,
        sample("file", file().render(site))?,
        sample("file-one-line", text(&"x".repeat(500_000)).render(site))?,
        sample("file-hostile", hostile_file().render(site))?,
        sample("changes", changes().render(site))?,
        sample("changes-same", compared(ComparisonView::Same).render(site))?,
        sample("changes-unfetched", compared(ComparisonView::NotFetched).render(site))?,
        sample("changes-hostile", hostile_changes().render(site))?,
        sample("provenance", provenance().render(site))?,
        sample("provenance-changed", changed.render(site))?,
        sample("provenance-unknown", unknown.render(site))?,
        sample("provenance-hostile", hostile_provenance().render(site))?,
    ])
}

fn listed(entries: Vec<EntryRow>) -> Contents {
    Contents::Listed { entries, is_truncated: false }
}

fn entry(path: &str, size: u64, mode: u32) -> EntryRow {
    EntryRow {
        path: path.to_owned(),
        kind: EntryKind::File,
        size,
        mode,
        digest: Some(digest(size + 1)),
        is_only_in_archive: Some(false),
    }
}

fn entries() -> Vec<EntryRow> {
    let link = EntryKind::Link { target: "../README.md".to_owned() };
    vec![
        entry("README.md", 2_140, 0o644),
        entry("default/install-kubernetes.sh", 9_312, 0o755),
        entry("default/templates/kubeadm.yaml.j2", 1_204, 0o644),
        EntryRow {
            is_only_in_archive: Some(true),
            ..entry("default/vendor.bin", 1_204_000, 0o4755)
        },
        EntryRow { kind: link, digest: None, size: 0, ..entry("docs/README.md", 0, 0o777) },
        EntryRow { kind: EntryKind::Special, digest: None, ..entry("docs/pipe", 0, 0o644) },
        entry("kcl.mod", 96, 0o644),
    ]
}

fn hostile_files() -> FilesPage {
    let deep = format!("{}{}", "very-deep-folder/".repeat(40), WORD_1000());
    let hostile_path = hostile_path();
    let paths = [deep.as_str(), &hostile_path, "../../etc/passwd", "a\nb", "/absolute"];
    let entries = paths.map(|path| entry(path, 12, 0o644)).to_vec();
    FilesPage { head: hostile_head(), contents: Contents::Listed { entries, is_truncated: true } }
}

fn file() -> FilePage {
    let text = "#!/bin/bash\nset -euo pipefail\n\n# Installs the container runtime\nexport \
                KUBERNETES_VERSION=\"1.31.0\"\n./install.sh --role control-plane && echo \"<done>\"\n";
    FilePage {
        head: head(),
        path: "default/install-kubernetes.sh".to_owned(),
        size: 9_312,
        mode: 0o755,
        digest: Some(digest(9)),
        is_in_latest: true,
        contents: FileContents::Text(text.repeat(6)),
    }
}

fn hostile_file() -> FilePage {
    let text = format!("{}\n{}\n\u{1b}[31m\n\n", hostile(), WORD_1000());
    FilePage {
        head: hostile_head(),
        path: hostile_path(),
        contents: FileContents::Text(text),
        ..file()
    }
}

fn line(kind: LineKind, text: &str) -> LineView {
    LineView { kind, text: text.to_owned() }
}

fn change(path: &str, before: Option<u64>, after: Option<u64>, diff: DiffView) -> FileChangeView {
    FileChangeView { path: path.to_owned(), size_before: before, size_after: after, diff }
}

fn hunk(texts: [&str; 3]) -> HunkView {
    let kinds = [LineKind::Context, LineKind::Removed, LineKind::Added];
    let lines = kinds.into_iter().zip(texts).map(|(kind, text)| line(kind, text)).collect();
    HunkView { old_start: 12, new_start: 12, lines }
}

fn changes() -> ChangesPage {
    let diff = DiffView::Lines(vec![hunk([
        "[settings]",
        "version = \"1.30.4\"",
        "version = \"1.31.0\" # a comment that is long enough to need a scroll bar on narrow screens",
    ])]);
    let added = vec![line(LineKind::Added, "# New"), line(LineKind::Added, "text")];
    let added = DiffView::Lines(vec![HunkView { old_start: 0, new_start: 1, lines: added }]);
    ChangesPage {
        head: head(),
        from: "1.30.4".to_owned(),
        to: "v1.31.0".to_owned(),
        choices: ["v1.31.0", "1.30.4", "1.29.0"].map(str::to_owned).to_vec(),
        notes: vec![Notes {
            version: "1.31.0".to_owned(),
            published_at: Some(time("2026-09-03T10:00:00Z")),
            text: Some(CleanHtml::trusted(
                "<p>Kubernetes 1.31 by default.</p><ul><li>Debian 13</li></ul>",
                3,
            )),
        }],
        comparison: ComparisonView::Files(vec![
            change("default/settings.toml", Some(80), Some(82), diff),
            change("default/vendor.bin", Some(1_204), Some(1_300), DiffView::Binary),
            change("docs/new.md", None, Some(80), added),
            change("docs/old.md", Some(80), None, DiffView::TooDifferent),
        ]),
    }
}

fn hostile_changes() -> ChangesPage {
    let hostile_text = hostile();
    let long = WORD_1000();
    let diff = DiffView::Lines(vec![hunk([&hostile_text, &long, &hostile_text])]);
    ChangesPage {
        head: hostile_head(),
        from: hostile(),
        to: WORD_1000(),
        choices: vec![hostile()],
        notes: vec![Notes { version: hostile(), published_at: None, text: None }],
        comparison: ComparisonView::Files(vec![change(&hostile_path(), Some(1), Some(2), diff)]),
    }
}

fn pin(is_changed: bool) -> PinView {
    PinView::Pinned {
        digest: digest(1),
        origin: PinOrigin::FirstDownload,
        file: "kubernetes_taskserv.tar.gz".to_owned(),
        since: Some(time("2026-09-03T16:04:00Z")),
        current: is_changed.then(|| digest(2)),
        is_changed,
    }
}

fn orphaned() -> OwnershipView {
    OwnershipView::Orphaned {
        former: "gitea".to_owned(),
        holders: vec!["oci".to_owned(), "local".to_owned()],
    }
}

fn undetermined() -> OwnershipView {
    OwnershipView::Undetermined { holder: "oci".to_owned(), awaited: "gitea".to_owned() }
}

fn provenance() -> ProvenancePage {
    let cell = |seed: Option<u64>| {
        Some(Cell {
            tag: "v1.31.0".to_owned(),
            published_at: Some(time("2026-09-03T10:00:00Z")),
            size: Some(3_149),
            digest: seed.map(digest),
        })
    };
    let row = |version: &str, cells| ComparedVersion { version: version.to_owned(), cells };
    ProvenancePage {
        head: head(),
        ownership: OwnershipView::Owned {
            owner: "gitea".to_owned(),
            earlier: Vec::new(),
            others: vec![OtherBackend {
                name: "oci".to_owned(),
                oldest: "1.29.0".to_owned(),
                newest: "1.30.4".to_owned(),
            }],
        },
        pin: pin(false),
        permanent: Some(format!("/v2/provisioning/kubernetes-taskserv/blobs/{}", digest(1))),
        table: BackendTable {
            backends: ["gitea", "oci", "local"].map(str::to_owned).to_vec(),
            versions: vec![
                row("1.31.0", vec![cell(Some(1)), None, None]),
                row("1.30.4", vec![cell(Some(2)), cell(Some(2)), None]),
                row("1.30.0", vec![cell(Some(3)), cell(Some(4)), None]),
                row("1.29.0", vec![cell(Some(5)), cell(None), None]),
            ],
        },
        notable_files: Some(entries().into_iter().filter(|one| one.mode > 0o755).collect()),
    }
}

fn hostile_provenance() -> ProvenancePage {
    let mut page = ProvenancePage { head: hostile_head(), ..provenance() };
    page.ownership = OwnershipView::Undetermined { holder: hostile(), awaited: WORD_1000() };
    page.table.backends = vec![hostile(), WORD_1000(), "oci".to_owned()];
    page.table.versions[0].version = hostile();
    page.notable_files = Some(vec![entry(&hostile_path(), 1, 0o4755)]);
    page
}
