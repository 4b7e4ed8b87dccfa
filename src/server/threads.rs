//! The threads that connections live on. Each has a scheduler of its own, so that a connection and
//! all that its requests do stay on one core, and no thread is woken to take over from another.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Threads that wait for a disk, for the connections of one thread, or compress. Each costs a stack and
/// what its allocator keeps.
pub const WAITING_MAX: usize = 96;

/// Threads for connections; they end when this is dropped.
pub struct Threads {
    members: Vec<Member>,
    /// Its end is theirs.
    _alive: watch::Sender<()>,
}

struct Member {
    handle: Handle,
    /// Held once by this and once by each of its connections.
    connections: Arc<()>,
}

impl Threads {
    /// Starts so many.
    ///
    /// # Errors
    /// The system refuses a thread or what its scheduler needs.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let alive = watch::Sender::new(());
        let members = (0..count.get()).map(|_| Member::start(alive.subscribe()));
        Ok(Self { members: members.collect::<io::Result<_>>()?, _alive: alive })
    }

    /// No threads: connections live where this is called, and on its clock.
    #[must_use]
    pub fn here() -> Self {
        Self { members: vec![Member::of(Handle::current())], _alive: watch::Sender::new(()) }
    }

    /// Where the next connection goes: to the thread that has the fewest. What is answered is one
    /// of them for as long as it is held.
    pub(super) fn idlest(&self) -> (Handle, Arc<()>) {
        let members = self.members.iter();
        let idlest = members.min_by_key(|member| Arc::strong_count(&member.connections));
        let idlest = idlest.expect("there is a thread: a number that is not zero were started");
        (idlest.handle.clone(), Arc::clone(&idlest.connections))
    }
}

impl Member {
    fn start(mut alive: watch::Receiver<()>) -> io::Result<Self> {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(WAITING_MAX).enable_all().build()?;
        let handle = runtime.handle().clone();
        let live = move || {
            // Nothing is ever sent: this waits for the sender's end.
            let _ = runtime.block_on(alive.changed());
            runtime.shutdown_background();
        };
        thread::Builder::new().name("connections".to_owned()).spawn(live)?;
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
