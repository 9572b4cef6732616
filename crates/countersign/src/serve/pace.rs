//! The least pace of a client: who sends or takes next to nothing, and keeps a connection by it, is not waited for.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How much must go by for the time to begin anew, in bytes.
const PIECE: usize = 16 * 1024;

/// How long something is waited for: from when it must first be, until a [`PIECE`] has gone by.
#[derive(Debug)]
struct Pace {
    patience: Duration,
    waited_for: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Pace {
    const fn new(patience: Duration) -> Self {
        Self { patience, waited_for: None }
    }

    /// So many bytes went by.
    fn went_by(&mut self, bytes: usize) {
        if let Some((_, gone_by)) = &mut self.waited_for {
            *gone_by += bytes;
            if *gone_by >= PIECE {
                self.waited_for = None;
            }
        }
    }

    /// Nothing is waited for.
    fn rest(&mut self) {
        self.waited_for = None;
    }

    /// Must wait; ready when that was for too long.
    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (until, _) = self.waited_for.get_or_insert_with(|| (Box::pin(sleep(self.patience)), 0));
        until.as_mut().poll(context)
    }
}

/// A body that was not sent in time.
#[derive(Debug, thiserror::Error)]
#[error("the client sends too slowly")]
struct TooSlow;

/// The body of a request, which ends with an error if somebody waits for it and its sender dawdles.
pub(super) fn body_in_time(body: Incoming, patience: Duration) -> Body {
    if body.is_end_stream() { Body::empty() } else { Body::new(SlowSender { body, pace: Pace::new(patience) }) }
}

struct SlowSender<B> {
    body: B,
    pace: Pace,
}

impl<B> HttpBody for SlowSender<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
                    self.pace.went_by(data.map_or(0, Bytes::len));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                ready!(self.pace.poll_too_slow(context));
                Poll::Ready(Some(Err(TooSlow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that breaks if its client takes the answers too slowly. What it holds is given back when it ends.
pub(super) struct SlowReader<Io, Held> {
    io: Io,
    _held: Held,
    pace: Pace,
}

impl<Io, Held> SlowReader<Io, Held> {
    pub(super) const fn new(io: Io, held: Held, patience: Duration) -> Self {
        Self { io, _held: held, pace: Pace::new(patience) }
    }

    fn in_time(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                self.pace.went_by(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
            Poll::Pending => {
                ready!(self.pace.poll_too_slow(context));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly")))
            }
        }
    }
}

impl<Io: AsyncRead + Unpin, Held: Unpin> AsyncRead for SlowReader<Io, Held> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io: AsyncWrite + Unpin, Held: Unpin> AsyncWrite for SlowReader<Io, Held> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Asked for once all there was is written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pace.rest();
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
