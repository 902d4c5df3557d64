//! A long reply on its way: made piece by piece on a thread, at the pace of who reads it.

use tokio::sync::mpsc;

use crate::jsonrpc::Pieces;

/// Bytes gathered before they are sent.
const CHUNK_BYTES: usize = 32 * 1024;

/// Chunks made ahead of a client that reads slowly.
const CHUNKS_AHEAD: usize = 2;

/// A reply that was given in pieces.
pub(crate) enum Chunks {
    /// It was short.
    Whole(String),
    /// The rest is made while it is read.
    More(mpsc::Receiver<Chunk>),
}

/// A part of a long reply.
pub(crate) enum Chunk {
    /// Some text.
    Part(String),
    /// So that a listing that broke off is told from one that is complete.
    End,
}

impl Chunks {
    /// Starts making them. What does not fit into one chunk is made on a thread of its own, which
    /// keeps `place` until the last one. Dropping the receiver ends the making. The beginning is made
    /// at once, so call it where you may block.
    pub(crate) fn of(mut pieces: Pieces, place: impl Send + 'static) -> Self {
        let first = gather(&mut pieces);
        if first.len() < CHUNK_BYTES {
            return Self::Whole(first);
        }
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let mut next = first;
            while !next.is_empty() {
                if sender.blocking_send(Chunk::Part(next)).is_err() {
                    return;
                }
                next = gather(&mut pieces);
            }
            let _ = sender.blocking_send(Chunk::End);
        });
        Self::More(chunks)
    }
}

/// Some [`CHUNK_BYTES`] of text; fewer at the end, none after it.
fn gather(pieces: &mut Pieces) -> String {
    let mut text = String::new();
    while text.len() < CHUNK_BYTES {
        let Some(piece) = pieces.next() else { break };
        text.push_str(&piece);
    }
    text
}
