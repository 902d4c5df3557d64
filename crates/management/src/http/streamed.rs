//! A long reply as a body, sent as the client reads.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http_body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::chunks::{Chunk, Chunks};
use crate::jsonrpc::Pieces;

/// The pieces as a body. What fits into one chunk has a length; more is sent in chunks, whose making
/// holds `place` until the last one. A client that goes away, or reads nothing for the connection's
/// time-out, ends it.
pub(crate) fn body(pieces: Pieces, place: OwnedSemaphorePermit) -> Body {
    match Chunks::of(pieces, place) {
        Chunks::Whole(text) => Body::from(text),
        Chunks::More(chunks) => Body::new(Streamed::new(chunks)),
    }
}

/// Chunks as a body.
pub(crate) struct Streamed {
    chunks: mpsc::Receiver<Chunk>,
}

impl Streamed {
    pub(crate) const fn new(chunks: mpsc::Receiver<Chunk>) -> Self {
        Self { chunks }
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match ready!(self.chunks.poll_recv(cx)) {
            Some(Chunk::Part(text)) => Some(Ok(Frame::data(text.into()))),
            Some(Chunk::End) => None,
            // Its maker panicked: the connection is cut without the closing chunk.
            None => Some(Err(io::ErrorKind::BrokenPipe.into())),
        })
    }
}
