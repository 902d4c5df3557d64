//! A long reply on its way: made piece by piece on a thread, sent as the client reads.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http_body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::jsonrpc::Pieces;

/// Bytes gathered before they are sent.
pub(crate) const CHUNK_BYTES: usize = 32 * 1024;

/// Chunks made ahead of a client that reads slowly.
const CHUNKS_AHEAD: usize = 2;

/// The pieces as a body. What fits into one chunk has a length; more is sent in chunks, made on a
/// thread of its own, which holds `place` until the last one. A client that goes away, or reads
/// nothing for the connection's time-out, ends the making.
pub(crate) fn body(mut pieces: Pieces, place: OwnedSemaphorePermit) -> Body {
    let first = chunk(&mut pieces);
    if first.len() < CHUNK_BYTES {
        return Body::from(first);
    }
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut next = first;
        while !next.is_empty() {
            if sender.blocking_send(Chunk::Part(next.into())).is_err() {
                return;
            }
            next = chunk(&mut pieces);
        }
        let _ = sender.blocking_send(Chunk::End);
    });
    Body::new(Streamed { chunks })
}

/// Some [`CHUNK_BYTES`] of text; fewer at the end, none after it.
fn chunk(pieces: &mut Pieces) -> String {
    let mut text = String::new();
    while text.len() < CHUNK_BYTES {
        let Some(piece) = pieces.next() else { break };
        text.push_str(&piece);
    }
    text
}

enum Chunk {
    Part(Bytes),
    /// So that a listing that broke off is told from one that is complete.
    End,
}

struct Streamed {
    chunks: mpsc::Receiver<Chunk>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match ready!(self.chunks.poll_recv(cx)) {
            Some(Chunk::Part(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Chunk::End) => None,
            // Its maker panicked: the connection is cut without the closing chunk.
            None => Some(Err(io::ErrorKind::BrokenPipe.into())),
        })
    }
}
