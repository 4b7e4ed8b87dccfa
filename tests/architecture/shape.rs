//! Imports between files, and methods of types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use syn::{ImplItem, Item, Type};

use crate::architecture::tree::{SourceFile, sources};

const METHODS_MAX: usize = 20;
const FILES_MAX: usize = 2;

/// A type: its name, and the file that defines it.
type TypeName = (String, PathBuf);

#[test]
fn files_import_each_other_in_one_direction() {
    let mut imports = file_imports(&sources());
    // A file that imports nothing, or that no other file imports, is on no cycle.
    loop {
        let before = imports.len();
        let kept: BTreeSet<PathBuf> = imports.keys().cloned().collect();
        for named in imports.values_mut() {
            named.retain(|one| kept.contains(one));
        }
        let imported: BTreeSet<PathBuf> = imports.values().flatten().cloned().collect();
        imports.retain(|file, named| !named.is_empty() && imported.contains(file));
        if imports.len() == before {
            break;
        }
    }
    assert!(imports.is_empty(), "import cycles: {imports:#?}");
}

#[test]
fn types_have_one_job() {
    let mut wrong = Vec::new();
    for ((name, defined), methods) in methods(&sources()) {
        let count: usize = methods.values().sum();
        if count > METHODS_MAX || methods.len() > FILES_MAX {
            let files = methods.len();
            wrong
                .push(format!("{name} of {}: {count} methods in {files} files", defined.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Returns the files that each file imports. A file may import its parents, which declare it.
fn file_imports(files: &[SourceFile]) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
    let by_module: BTreeMap<&[String], &SourceFile> =
        files.iter().map(|file| (&*file.module, file)).collect();
    let imports = files.iter().map(|file| {
        let named = file
            .imports
            .iter()
            .filter_map(|path| (1..=path.len()).rev().find_map(|end| by_module.get(&path[..end])));
        let named = named.filter(|named| !file.module.starts_with(&named.module));
        (file.path.clone(), named.map(|named| named.path.clone()).collect())
    });
    imports.collect()
}

/// Returns the number of inherent methods of each type, by the file that implements them.
fn methods(files: &[SourceFile]) -> BTreeMap<TypeName, BTreeMap<PathBuf, usize>> {
    let mut methods: BTreeMap<TypeName, BTreeMap<PathBuf, usize>> = BTreeMap::new();
    for file in files {
        for item in &file.items {
            let Item::Impl(block) = item else { continue };
            let Type::Path(of) = &*block.self_ty else { continue };
            if block.trait_.is_some() {
                continue;
            }
            let name = of.path.segments.last().unwrap().ident.to_string();
            let defined = definition(files, file, &name);
            let count = block.items.iter().filter(|one| matches!(one, ImplItem::Fn(_))).count();
            let of_type = methods.entry((name, defined)).or_default();
            *of_type.entry(file.path.clone()).or_default() += count;
        }
    }
    methods
}

/// Returns the file that defines a type which `user` implements: of several, the nearest.
fn definition(files: &[SourceFile], user: &SourceFile, name: &str) -> PathBuf {
    let defining = files.iter().filter(|file| file.items.iter().any(|item| defines(item, name)));
    let shared = |file: &&SourceFile| {
        let pairs = file.module.iter().zip(&user.module);
        pairs.take_while(|(theirs, ours)| theirs == ours).count()
    };
    defining.max_by_key(shared).unwrap_or(user).path.clone()
}

fn defines(item: &Item, name: &str) -> bool {
    match item {
        Item::Struct(item) => item.ident == name,
        Item::Enum(item) => item.ident == name,
        _ => false,
    }
}
