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
    /// Module path.
    pub module: Vec<String>,
    /// Items, without tests.
    pub items: Vec<Item>,
    /// Paths that begin with `crate`, without it.
    pub imports: BTreeSet<Vec<String>>,
}

/// Parses every source file.
pub fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(parse(root, &path));
            }
        }
    }
    assert!(found.len() > 100, "the sources lie elsewhere");
    found
}

fn parse(root: &Path, path: &Path) -> SourceFile {
    let text = fs::read_to_string(path).unwrap();
    let parsed =
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let items: Vec<Item> = parsed.items.into_iter().filter(|item| !is_test(item)).collect();
    let mut names = Names::default();
    items.iter().for_each(|item| names.visit_item(item));
    let path = path.strip_prefix(root).unwrap().to_owned();
    let module = path.strip_prefix("src").unwrap().with_extension("");
    let module = module.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
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

#[derive(Default)]
struct Names {
    imports: BTreeSet<Vec<String>>,
}

impl Names {
    fn add(&mut self, path: &[String]) {
        if let Some((first, rest)) = path.split_first()
            && first == "crate"
        {
            self.imports.insert(rest.to_vec());
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
