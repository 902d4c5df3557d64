//! The session description of a message as a script sees and changes it.
//!
//! Small changes (a codec less, another direction) are recorded line by line against the message
//! as received, so that those of several functions come together. Once a script has written the
//! whole description, or put one where there was none, they go into that text instead.

use std::borrow::Cow;
use std::ops::Range;

use duologue_sip::{AddedPart, Message, Span, is_media_type, render_span};

use crate::context::Context;

/// The type of a session description.
pub const SDP: &[u8] = b"application/sdp";

/// A session description and where changes to it go.
#[derive(Clone, Debug)]
pub struct SessionDescription<'r> {
    /// Its text; as received, unless a script has written it anew.
    pub text: Cow<'r, [u8]>,
    place: Place,
}

/// Where a session description stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the message as received.
    Received(Span),
    /// In its place there.
    Rewritten(Span),
    /// In a part that the script added.
    Added(usize),
}

/// Changes to a text: what comes in place of which octets.
pub type TextChanges = Vec<(Range<usize>, Vec<u8>)>;

impl<'r> SessionDescription<'r> {
    /// That of the context's message; none if it has none, or none any more.
    pub fn of(ctx: &Context<'r>) -> Option<Self> {
        let message = ctx.message;
        let layers = ctx.layers();
        let plan = layers.iter().rev().find(|layer| layer.has_plan());
        let parts = message.parts();
        let removed = |index| plan.is_some_and(|plan| plan.removes_part(index));
        let received = parts.iter().enumerate().find(|(i, part)| part.is_type(SDP) && !removed(*i));
        if let Some((_, part)) = received {
            let span = message.span_of_part(&part);
            let rewritten = layers.iter().any(|layer| layer.replaces(span));
            return Some(if rewritten {
                let mut text = Vec::new();
                render_span(message, &layers, span, &mut text);
                Self { text: text.into(), place: Place::Rewritten(span) }
            } else {
                Self { text: part.body.into(), place: Place::Received(span) }
            });
        }
        let added = plan.map_or(&[][..], |plan| plan.added_parts());
        let index = added.iter().position(|part| is_media_type(Some(&part.content_type), SDP))?;
        let text = Cow::Owned(added[index].body.clone());
        Some(Self { text, place: Place::Added(index) })
    }

    /// What becomes of a piece of the text with the changes so far.
    pub fn present(&self, ctx: &Context<'_>, piece: Range<usize>) -> Vec<u8> {
        let Place::Received(span) = self.place else { return self.text[piece].to_vec() };
        let mut present = Vec::new();
        render_span(ctx.message, &ctx.layers(), within(span, &piece), &mut present);
        present
    }

    /// All of the text with the changes so far.
    pub fn present_text(&self, ctx: &Context<'_>) -> Vec<u8> {
        self.present(ctx, 0..self.text.len())
    }

    /// Whether an earlier change has removed a piece.
    pub fn is_removed(&self, ctx: &Context<'_>, piece: Range<usize>) -> bool {
        let Place::Received(span) = self.place else { return false };
        let piece = within(span, &piece);
        ctx.layers().iter().any(|layer| layer.removes_span(piece))
    }

    /// Makes changes; their places are those of `text`, in order and apart from each other. False
    /// if they are too many or too long, and then none is made.
    pub fn change(&self, ctx: &mut Context<'_>, changes: &TextChanges) -> bool {
        match self.place {
            Place::Received(span) => {
                let octets = changes.iter().map(|(_, text)| text.len()).sum();
                if !ctx.edits().has_room(changes.len(), octets) {
                    return false;
                }
                let message = ctx.message;
                let mut draft = ctx.edits().draft(message);
                for (piece, text) in changes {
                    draft.change_again(within(span, piece), &[text]);
                }
                true
            }
            Place::Rewritten(_) | Place::Added(_) => {
                let (mut text, mut from) = (Vec::new(), 0);
                for (piece, new) in changes {
                    text.extend_from_slice(&self.text[from..piece.start]);
                    text.extend_from_slice(new);
                    from = piece.end;
                }
                text.extend_from_slice(&self.text[from..]);
                self.write(ctx, &text)
            }
        }
    }

    /// Writes all of it anew. False if it is too long.
    pub fn write(&self, ctx: &mut Context<'_>, text: &[u8]) -> bool {
        let message = ctx.message;
        match self.place {
            Place::Received(span) | Place::Rewritten(span) => {
                let fits = ctx.edits().has_room(1, text.len());
                if fits {
                    ctx.edits().draft(message).change_again(span, &[text]);
                }
                fits
            }
            Place::Added(index) => ctx.edits_of_parts().draft(message).change_added(index, text),
        }
    }
}

/// Puts a session description into a message that has none. False if it does not fit.
pub fn add(ctx: &mut Context<'_>, text: &[u8]) -> bool {
    let message: &Message<'_> = ctx.message;
    let part = AddedPart { content_type: SDP.to_vec(), body: text.to_vec(), ..Default::default() };
    ctx.edits_of_parts().draft(message).add_part(part)
}

/// A piece of a text that stands at `span` of the message.
fn within(span: Span, piece: &Range<usize>) -> Span {
    let start = span.start as usize;
    Span::new(start + piece.start, start + piece.end)
}

/// Where `part`, a slice of `text`, stands in it.
pub fn place_in(part: &[u8], text: &[u8]) -> Range<usize> {
    Span::of(part, text).unwrap_or_default().range()
}
