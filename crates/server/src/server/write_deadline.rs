//! A socket whose writes fail once its client was waited for too long and accepted too little.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, Sleep, sleep};

use crate::server::activity::{Activity, LEAST};

pub(super) struct WriteDeadline<S> {
    stream: S,
    activity: Arc<Activity>,
    patience: Duration,
    /// What `activity` knows of the send buffer.
    is_full: bool,
    /// Start of the current wait for a full send buffer, and its timer.
    full: Option<(Instant, Pin<Box<Sleep>>)>,
    /// Time of earlier waits, and the bytes accepted in that time.
    waited: Duration,
    taken: usize,
}

impl<S> WriteDeadline<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, patience: Duration) -> Self {
        let (is_full, full, waited, taken) = (false, None, Duration::ZERO, 0);
        Self { stream, activity, patience, is_full, full, waited, taken }
    }

    pub(super) const fn get_ref(&self) -> &S {
        &self.stream
    }

    fn tell(&mut self, is_full: bool) {
        if self.is_full != is_full {
            self.is_full = is_full;
            self.activity.full(is_full);
        }
    }

    fn judge(
        &mut self,
        context: &mut Context<'_>,
        offered: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.taken += count;
            if self.taken >= LEAST {
                (self.taken, self.waited, self.full) = (0, Duration::ZERO, None);
            }
            // A partial write means that the buffer is full again: the wait goes on.
            if count == offered || self.full.is_none() {
                let full = self.full.take();
                self.waited += full.map_or(Duration::ZERO, |(since, _)| since.elapsed());
                self.tell(false);
            }
        }
        if written.is_ready() {
            return written;
        }
        self.tell(true);
        // The timer continues where earlier waits stopped: short bursts of reading must not reset
        // it.
        let left = self.patience.saturating_sub(self.waited);
        let full = self.full.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(full.1.as_mut().poll(context));
        let message = format!("the client read less than {LEAST} bytes in {:?}", self.patience);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, slices.iter().map(|slice| slice.len()).sum(), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
