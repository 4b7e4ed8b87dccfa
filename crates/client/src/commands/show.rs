//! `show`: one version in full, the README, or the files of the archive.

use registry_public::extension::ExtensionBody;
use registry_public::files::FilesBody;
use registry_public::metadata::MetadataBody;
use registry_public::paths::Target;

use crate::cli::arguments::ShowArgs;
use crate::context::Context;
use crate::failure::Result;
use crate::form::OutputForm;
use crate::output::{print, print_objects, print_rows, size, visible};
use crate::question::Question;
use crate::resolve::{ResolvedRelease, metadata, resolve};

/// Shows a version.
pub(super) async fn run(args: &ShowArgs, context: &Context) -> Result<()> {
    let question = Question { scope: args.scope.clone(), admits_prereleases: false };
    let release = resolve(&context.registry, &args.reference, &question).await?;
    if args.readme {
        return readme(&release, &question, context).await;
    }
    if args.files {
        return files(&release, &question, context).await;
    }
    let metadata = metadata(&context.registry, &release.id, &release.version.tag, &question);
    let path = format!("/extensions/{}", release.id);
    let target = Target::new(path).with_all(question.scope.pairs());
    let (metadata, extension) =
        futures_util::future::try_join(metadata, context.registry.get(&target)).await?;
    match context.display.form {
        OutputForm::Table => print(&described(&metadata, &extension)),
        OutputForm::Name => {
            print(&format!("{}@{}\n", release.id, visible(&release.version.version)))
        }
        _ => print_objects(&[metadata], context.display),
    }
}

async fn readme(release: &ResolvedRelease, question: &Question, context: &Context) -> Result<()> {
    let target = Target::new(format!("/extensions/{}/readme", release.id));
    let target = target.with("version", release.version.tag.as_str());
    let target = target.with_all(question.scope.pairs());
    let text = context.registry.text(&target, "text/markdown").await?;
    let lines: String = text.lines().map(|line| visible(line) + "\n").collect();
    print(&lines)
}

async fn files(release: &ResolvedRelease, question: &Question, context: &Context) -> Result<()> {
    let target = Target::release(&release.id.to_string(), &release.version.tag).below("/files");
    let target = target.with_all(question.scope.pairs());
    let files: FilesBody = context.registry.get(&target).await?;
    if files.truncated {
        context.tell("entries are left out: the archive has too many, or too long paths");
    }
    print_rows(&files.entries, context.display)
}

/// Describes a version for people.
fn described(metadata: &MetadataBody, extension: &ExtensionBody) -> String {
    let version = &metadata.version;
    let changed = metadata.change.as_ref().map(|change| {
        let now = change.current_digest.as_deref().unwrap_or("another archive");
        format!("from {} to {now}", change.first_digest)
    });
    let fields = [
        ("description", metadata.description.clone()),
        ("author", metadata.author.clone()),
        ("license", metadata.license.clone()),
        ("keywords", Some(metadata.keywords.join(", "))),
        ("repository", metadata.repository.clone()),
        ("published", version.published_at.clone()),
        ("tag", Some(version.tag.clone())),
        ("owner", Some(extension.backend.clone())),
        ("backends", Some(extension.backends.join(", "))),
        ("size", version.size.map(size)),
        ("digest", version.digest.clone().or_else(|| Some(metadata.digest_status.clone()))),
        ("manifest", metadata.manifest_digest.clone()),
        ("changed", changed),
    ];
    let files = metadata.assets.iter().map(|asset| {
        let size = asset.size.map_or_else(|| "-".to_owned(), size);
        let digest = asset.digest.as_deref().unwrap_or("-");
        ("file", Some(format!("{}  {size}  {digest}", asset.name)))
    });
    let head = format!("{}/{} {}", metadata.r#type, metadata.name, version.version);
    let fields = fields.into_iter().chain(files).filter_map(|(title, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(format!("{title:<12} {value}"))
    });
    let notes = metadata.notes.as_deref().filter(|notes| !notes.is_empty());
    let notes = notes.map(|notes| format!("\n{notes}")).unwrap_or_default();
    let lines = std::iter::once(head).chain(fields).chain(notes.lines().map(str::to_owned));
    lines.map(|line| visible(&line) + "\n").collect()
}
