//! Secrets that change while the service runs: their files are looked at again and again, and a
//! changed one is used from then on.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use crate::metrics::process::ProcessMetrics;

/// How often files are looked at. Contents are compared, because an orchestrator swaps whole
/// directories behind a link, which no notice of the file system tells.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Takes the content of a file of secrets into use; says why where it cannot.
pub(super) type Renew = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What a file of secrets is for, and what to do with its new content.
pub(super) struct Rotated {
    /// The key that names the file.
    pub(super) key: &'static str,
    /// The file.
    pub(super) path: PathBuf,
    /// Takes the file's content into use.
    pub(super) renew: Renew,
}

/// Looks at the files until dropped.
pub(super) async fn watch(files: Vec<Rotated>, counted: ProcessMetrics) {
    files.iter().for_each(|file| counted.prepare_reloads(file.key));
    let mut known: Vec<Option<Vec<u8>>> = Vec::new();
    for file in &files {
        known.push(tokio::fs::read(&file.path).await.ok());
    }
    while !files.is_empty() {
        sleep(LOOK_EVERY).await;
        for (file, known) in files.iter().zip(&mut known) {
            let Ok(content) = tokio::fs::read(&file.path).await else { continue };
            if known.as_ref() != Some(&content) {
                *known = Some(content);
                renew(file, &counted);
            }
        }
    }
}

fn renew(file: &Rotated, counted: &ProcessMetrics) {
    let (key, path) = (file.key, file.path.display());
    let renewed = (file.renew)();
    counted.reloaded(key, renewed.is_ok());
    match renewed {
        Ok(()) => info!(%path, "{key}: the file changed and is used from now on"),
        Err(problem) => warn!(%path, "{key}: the file changed and cannot be used: {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_taken_up_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "first").unwrap();
        let renewed = Arc::new(Mutex::new(Vec::new()));
        let (seen, source) = (Arc::clone(&renewed), path.clone());
        let renew = move || {
            seen.lock().push(std::fs::read_to_string(&source).unwrap());
            Ok(())
        };
        let file = Rotated { key: "gitea.token_path", path: path.clone(), renew: Box::new(renew) };
        let metrics = Metrics::new(&[], &[]).unwrap();
        let task = tokio::spawn(watch(vec![file], metrics.process.clone()));
        sleep(LOOK_EVERY * 3).await;
        assert_eq!(*renewed.lock(), [""; 0]);
        std::fs::write(&path, "second").unwrap();
        sleep(LOOK_EVERY * 3).await;
        std::fs::remove_file(&path).unwrap();
        sleep(LOOK_EVERY * 3).await;
        assert_eq!(*renewed.lock(), ["second"]);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains(r#"{key="gitea.token_path",outcome="used"} 1"#), "{text}");
        assert!(text.contains(r#"{key="gitea.token_path",outcome="refused"} 0"#), "{text}");
        task.abort();
    }
}
