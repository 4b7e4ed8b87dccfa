//! The source files, parsed, without their tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree};

/// One source file.
pub struct SourceFile {
    /// Path from the root of the repository.
    pub path: PathBuf,
    /// Module path, from the name of the crate.
    pub module: Vec<String>,
    /// Items, without tests.
    pub items: Vec<Item>,
    /// Paths into crates of the workspace, from the name of the crate.
    pub imports: BTreeSet<Vec<String>>,
}

/// Crates of the workspace: their names in code, and their folders. Test support is left out.
pub const CRATES: [(&str, &str); 14] = [
    ("registry_core", "crates/core/src"),
    ("registry_archives", "crates/archives/src"),
    ("registry_oci", "crates/oci/src"),
    ("registry_packing", "crates/packing/src"),
    ("registry_backends", "crates/backends/src"),
    ("registry_fleet", "crates/fleet/src"),
    ("registry_valkey", "crates/valkey/src"),
    ("registry_catalog", "crates/catalog/src"),
    ("registry_web", "crates/web/src"),
    ("registry_public", "crates/public/src"),
    ("registry_client", "crates/client/src"),
    ("registry_s3", "crates/s3/src"),
    ("registry_server", "crates/server/src"),
    ("extension_registry", "src"),
];

/// Parses every source file.
pub fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for (name, folder) in CRATES {
        for path in paths(&root.join(folder)) {
            found.push(parse(root, name, folder, &path));
        }
    }
    assert!(found.len() > 100, "the sources lie elsewhere");
    found
}

/// Returns the Rust files below a folder.
pub fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn parse(root: &Path, name: &str, folder: &str, path: &Path) -> SourceFile {
    let text = fs::read_to_string(path).unwrap();
    let parsed =
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let items: Vec<Item> = parsed.items.into_iter().filter(|item| !is_test(item)).collect();
    let mut names = Names { own: name.to_owned(), imports: BTreeSet::new() };
    for item in &items {
        names.visit_item(item);
    }
    let path = path.strip_prefix(root).unwrap().to_owned();
    let below = path.strip_prefix(folder).unwrap().with_extension("");
    let mut module = vec![name.to_owned()];
    if below != Path::new("lib") {
        module.extend(below.iter().map(|part| part.to_str().unwrap().to_owned()));
    }
    SourceFile { path, module, items, imports: names.imports }
}

fn is_test(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    };
    attributes.iter().any(|attribute| {
        let test = |list: &syn::MetaList| list.tokens.to_string().contains("test");
        attribute.path().is_ident("cfg") && attribute.meta.require_list().is_ok_and(test)
    })
}

struct Names {
    /// Name of the crate, which code calls `crate`.
    own: String,
    imports: BTreeSet<Vec<String>>,
}

impl Names {
    fn add(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        let first = if first == "crate" { &self.own } else { first };
        if CRATES.iter().any(|(name, _)| name == first) {
            self.imports.insert([std::slice::from_ref(first), rest].concat());
        }
    }

    fn flatten(&mut self, tree: &UseTree, before: &[String]) {
        match tree {
            UseTree::Path(path) => {
                let before = [before, &[path.ident.to_string()]].concat();
                self.flatten(&path.tree, &before);
            }
            UseTree::Name(name) => self.add(&[before, &[name.ident.to_string()]].concat()),
            UseTree::Rename(name) => self.add(&[before, &[name.ident.to_string()]].concat()),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.flatten(tree, before));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.flatten(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string());
            self.add(&segments.collect::<Vec<_>>());
        }
        visit::visit_path(self, path);
    }
}
