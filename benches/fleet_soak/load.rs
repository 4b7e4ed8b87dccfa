//! Two hundred requests a second over all routes, to the replicas in service in turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::fleet::{EXTENSIONS, archive};

const PER_SECOND: u32 = 200;
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// What is asked for in turn, and whether it is known: then no answer waits for a backend, an engine or
/// a bucket. `N` stands for the number of an extension that never changes.
const ROUTES: [(&str, bool); 10] = [
    ("/api/v1/extensions?limit=20", true),
    ("/api/v1/extensions/search?q=hundred", true),
    ("/api/v1/extensions/taskserv/eN", true),
    ("/api/v1/extensions/taskserv/eN/versions", true),
    ("/api/v1/health", true),
    ("/api/v1/health/ready", true),
    ("/", true),
    ("/api/v1/extensions/taskserv/eN/resolve?constraint=*", false),
    ("/api/v1/extensions/taskserv/eN/1.0.0/metadata", false),
    (DOWNLOAD, false),
];
const DOWNLOAD: &str = "/api/v1/extensions/taskserv/eN/1.0.0";
/// Extensions below this number may change.
const STABLE_FROM: usize = 20;

/// A replica, as a balancer sees it.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    in_service: AtomicBool,
    under_way: AtomicUsize,
    /// How often it was killed or stopped: requests under way then are lost with it.
    failures: AtomicUsize,
}

impl Target {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let (in_service, under_way, failures) =
            (AtomicBool::new(true), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { address, in_service, under_way, failures }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn is_in_service(&self) -> bool {
        self.in_service.load(Ordering::SeqCst)
    }

    pub(crate) fn serve(&self) {
        self.in_service.store(true, Ordering::SeqCst);
    }

    /// Sends it no more requests, just before it is killed or stopped.
    pub(crate) fn fail(&self) {
        self.in_service.store(false, Ordering::SeqCst);
        self.failures.fetch_add(1, Ordering::SeqCst);
    }

    /// Sends it no more requests, and waits for the last answer.
    pub(crate) async fn drain(&self) {
        self.in_service.store(false, Ordering::SeqCst);
        while self.under_way.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A request and what became of it.
pub(crate) struct Sample {
    pub(crate) known: bool,
    /// A status, or why there is none.
    pub(crate) outcome: String,
    pub(crate) time: Duration,
}

/// The requests.
pub(crate) struct Load {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: oneshot::Sender<()>,
    sending: JoinHandle<()>,
}

impl Load {
    pub(crate) fn start(targets: Vec<Arc<Target>>) -> Self {
        let samples = Arc::default();
        let (stop, stopped) = oneshot::channel();
        let sending = tokio::spawn(send(targets, Arc::clone(&samples), stopped));
        Self { samples, stop, sending }
    }

    /// Takes what ended since the last call.
    pub(crate) fn take(&self) -> Vec<Sample> {
        std::mem::take(&mut self.samples.lock())
    }

    /// Sends no more requests; what ended since the last call.
    pub(crate) async fn end(self) -> Vec<Sample> {
        self.stop.send(()).unwrap();
        self.sending.await.unwrap();
        std::mem::take(&mut self.samples.lock())
    }
}

async fn send(
    targets: Vec<Arc<Target>>,
    samples: Arc<Mutex<Vec<Sample>>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let client = registry_testing::http::client_builder().build().unwrap();
    let archives: Arc<Vec<Vec<u8>>> = Arc::new((0..EXTENSIONS).map(archive).collect());
    let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut asked, mut turn) = (JoinSet::new(), 0);
    for (path, known) in ROUTES.iter().cycle() {
        ticks.tick().await;
        if stopped.try_recv().is_ok() {
            break;
        }
        while asked.try_join_next().is_some() {}
        turn += 1;
        let serving: Vec<_> = targets.iter().filter(|target| target.is_in_service()).collect();
        let target = Arc::clone(serving[turn % serving.len()]);
        let number = fastrand::usize(STABLE_FROM..EXTENSIONS);
        let url = target.url(&path.replace('N', &format!("{number:04}")));
        let (client, samples, archives) =
            (client.clone(), Arc::clone(&samples), Arc::clone(&archives));
        target.under_way.fetch_add(1, Ordering::SeqCst);
        asked.spawn(async move {
            let failures = target.failures.load(Ordering::SeqCst);
            let expected = (*path == DOWNLOAD).then(|| &archives[number]);
            let begun = Instant::now();
            let answered = timeout(ANSWER_MAX, outcome(&client, &url, expected)).await;
            let time = begun.elapsed();
            target.under_way.fetch_sub(1, Ordering::SeqCst);
            let mut outcome = answered.unwrap_or_else(|_| "no answer in 30 seconds".to_owned());
            if target.failures.load(Ordering::SeqCst) != failures {
                "under way at a replica that failed".clone_into(&mut outcome);
            } else if outcome.as_str() != "200" {
                outcome += &format!(" for {path}");
            }
            samples.lock().push(Sample { known: *known, outcome, time });
        });
    }
    while asked.join_next().await.is_some() {}
}

/// The status of an answer whose last byte has come and is the right one.
async fn outcome(client: &reqwest::Client, url: &str, expected: Option<&Vec<u8>>) -> String {
    let answered = async {
        let answer = client.get(url).header("accept", "text/html, */*").send().await?;
        Ok::<_, reqwest::Error>((answer.status().as_u16(), answer.bytes().await?))
    };
    match answered.await {
        Ok((200, bytes)) if expected.is_some_and(|expected| *expected != bytes) => {
            "wrong bytes".to_owned()
        }
        Ok((status, _)) => status.to_string(),
        Err(error) => format!("{error:?}"),
    }
}
