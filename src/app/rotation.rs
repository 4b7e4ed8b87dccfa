//! Reloads changed files of secrets while the service runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use registry_core::files;
use registry_core::files::lane::Lane;
use registry_server::metrics::process::ProcessMetrics;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::app::LOG_TARGET;
use crate::app::secrets::FILE_MAX;

// Contents are compared: an orchestrator swaps directories behind a link, without file events.
const LOOK_EVERY: Duration = Duration::from_secs(10);
// A look that takes longer is repeated after the next pause.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) type Renew = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

pub(super) struct Rotated {
    pub(super) key: String,
    pub(super) path: PathBuf,
    pub(super) renew: Renew,
}

pub(super) async fn watch(rotated: Vec<Rotated>, counted: ProcessMetrics) {
    for file in &rotated {
        counted.prepare_reloads(&file.key);
    }
    let lane = Lane::new(1, PATIENCE);
    let mut watched = Vec::new();
    for file in rotated {
        let known = content(&lane, &file).await;
        watched.push((Arc::new(file), known));
    }
    while !watched.is_empty() {
        sleep(LOOK_EVERY).await;
        for (file, known) in &mut watched {
            let Some(content) = content(&lane, file).await else { continue };
            if known.as_ref() != Some(&content) {
                *known = Some(content);
                let renewing = Arc::clone(file);
                let renewed = lane.run(move || (renewing.renew)()).await;
                tell(file, &renewed.unwrap_or_else(|error| Err(error.to_string())), &counted);
            }
        }
    }
}

async fn content(lane: &Lane, file: &Rotated) -> Option<Vec<u8>> {
    let path = file.path.clone();
    lane.run(move || files::read_named(&path, FILE_MAX)).await.ok()?.ok()
}

fn tell(file: &Rotated, renewed: &Result<(), String>, counted: &ProcessMetrics) {
    let (key, path) = (&file.key, file.path.display());
    counted.reloaded(key, renewed.is_ok());
    match renewed {
        Ok(()) => info!(target: LOG_TARGET, %path, "{key}: the changed file is reloaded"),
        Err(problem) => warn!(target: LOG_TARGET,
            %path,
            "{key}: the changed file cannot be used; the previous content stays in use:  \
             {problem}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use registry_server::metrics::Metrics;

    use super::*;

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
        let key = "gitea.token_path".to_owned();
        let file = Rotated { key, path: path.clone(), renew: Box::new(renew) };
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
