//! Threads for connections. Each has its own scheduler, so that a connection and the work for its
//! requests stay on one core, and no thread is woken to take over work from another.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Maximum number of blocking threads per connection thread; each costs a stack and memory.
pub const WAITING_MAX: usize = 96;

/// Threads for connections. They stop when this value is dropped.
pub struct Threads {
    members: Vec<Worker>,
    _alive: watch::Sender<()>,
}

struct Worker {
    handle: Handle,
    /// Counts the connections: one reference here, and one per connection.
    connections: Arc<()>,
}

impl Threads {
    /// Starts this number of threads. Fails if the system refuses one.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let alive = watch::Sender::new(());
        let members = (0..count.get()).map(|_| Worker::start(alive.subscribe()));
        Ok(Self { members: members.collect::<io::Result<_>>()?, _alive: alive })
    }

    /// Uses the caller's runtime and clock instead of separate threads, for tests.
    #[must_use]
    pub fn here() -> Self {
        Self { members: vec![Worker::of(Handle::current())], _alive: watch::Sender::new(()) }
    }

    /// Returns the thread with the fewest connections; the reference counts as one until dropped.
    pub(super) fn idlest(&self) -> (Handle, Arc<()>) {
        let members = self.members.iter();
        // References include connections that are assigned but not started yet.
        let idlest = members.min_by_key(|member| Arc::strong_count(&member.connections));
        let idlest = idlest.expect("there is a thread: a number that is not zero were started");
        (idlest.handle.clone(), Arc::clone(&idlest.connections))
    }
}

impl Worker {
    fn start(mut alive: watch::Receiver<()>) -> io::Result<Self> {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(WAITING_MAX).enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name("connections".to_owned()).spawn(move || {
            // Nothing is ever sent: this waits for the sender's end.
            let _ = runtime.block_on(alive.changed());
            // Does not wait for blocking work, which may hang on a dead disk or mount.
            runtime.shutdown_background();
        })?;
        Ok(Self::of(handle))
    }

    fn of(handle: Handle) -> Self {
        Self { handle, connections: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_and_what_they_do_is_done_on_their_thread() {
        let threads = Threads::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let here = |handle: &Handle| {
            let (say, said) = std::sync::mpsc::channel();
            handle.spawn(async move { say.send(thread::current().id()).unwrap() });
            said.recv().unwrap()
        };
        let (first, held) = threads.idlest();
        let (second, also_held) = threads.idlest();
        let (one, other) = (here(&first), here(&second));
        assert!(one != other && one != thread::current().id());
        drop(also_held);
        assert_eq!(here(&threads.idlest().0), other, "the one that has none");
        drop(held);
        drop(threads);
    }
}
