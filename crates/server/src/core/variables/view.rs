//! Which message a variable is read from, and how values are written out.

use duologue_script::limits::JOINED_BYTES_MAX;
use duologue_script::{Context as Source, Index, Reading, Text, VarAccess};
use duologue_sip::{Flow, HeaderError, Message};

use crate::context::Context;

/// Reads from the message that the access names: the current one, the transaction's request
/// (`<request>`) or the winning reply (`<reply>`). NULL if it does not exist (spec/script.md §7).
pub(super) fn on_message(
    ctx: &Context<'_>,
    var: &VarAccess<'_>,
    read: impl FnOnce(&Message<'_>) -> Reading,
) -> Reading {
    if is_current(ctx, var) {
        return read(ctx.message);
    }
    let stored = match var.context {
        Source::Current => None,
        Source::Request => stored_request(ctx),
        Source::Reply => stored_reply(ctx),
    };
    match stored.map(Message::parse) {
        Some(Ok(message)) => read(&message),
        _ => Reading::Null,
    }
}

/// Reads from a header that may break its grammar: then it is NULL, and the error route hears of it
/// (spec/script.md §3.4).
pub(super) fn checked(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    read: impl FnOnce(&Message<'_>) -> Result<Reading, HeaderError>,
) -> Reading {
    let mut broken = None;
    let reading = on_message(ctx, var, |message| {
        read(message).unwrap_or_else(|error| {
            broken = Some(error);
            Reading::Null
        })
    });
    if let Some(error) = broken {
        ctx.malformed(error);
    }
    reading
}

/// Writes out the part of the message that `part` picks.
pub(super) fn part(
    ctx: &Context<'_>,
    var: &VarAccess<'_>,
    out: &mut Text,
    part: impl for<'b> FnOnce(&Message<'b>) -> Option<&'b [u8]>,
) -> Reading {
    on_message(ctx, var, |message| some(out, part(message)))
}

/// Reads a number from the message.
pub(super) fn number(
    ctx: &Context<'_>,
    var: &VarAccess<'_>,
    number: impl FnOnce(&Message<'_>) -> Option<i32>,
) -> Reading {
    on_message(ctx, var, |message| number(message).map_or(Reading::Null, Reading::Int))
}

/// Whether the access means the message that the block runs on.
pub(super) fn is_current(ctx: &Context<'_>, var: &VarAccess<'_>) -> bool {
    match var.context {
        Source::Current => true,
        Source::Request => ctx.message.is_request(),
        Source::Reply => !ctx.message.is_request(),
    }
}

/// Where the message came from.
pub(super) fn flow(ctx: &Context<'_>, var: &VarAccess<'_>) -> Option<Flow> {
    if is_current(ctx, var) {
        return Some(ctx.flow);
    }
    let transaction = &ctx.turn.body.transactions.get(ctx.transaction?)?.transaction;
    match var.context {
        Source::Request => transaction.flow(),
        _ => Some(transaction.branch(ctx.winner?.branch)?.flow()),
    }
}

/// A text that may be missing or empty, which are the same to scripts.
pub(super) fn some(out: &mut Text, text: Option<&[u8]>) -> Reading {
    match text {
        None | Some([]) => Reading::Null,
        Some(text) => {
            out.push(text);
            Reading::Str
        }
    }
}

/// The value that an index picks: the first without one, all of them joined with `[*]`.
pub(super) fn indexed<'v, I>(index: Index, out: &mut Text, values: impl Fn() -> I) -> Reading
where
    I: Iterator<Item = &'v [u8]>,
{
    let found = match index {
        Index::None => values().next(),
        Index::At(n) => match usize::try_from(n) {
            Ok(n) => values().nth(n),
            // Negative ones count from the end; lists are too short to be worth remembering.
            Err(_) => {
                let back = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
                values().count().checked_sub(back).and_then(|n| values().nth(n))
            }
        },
        Index::All => return joined(out, values()),
        Index::Append | Index::AtActive(_) | Index::AllActive => None,
    };
    match found {
        None => Reading::Null,
        Some(value) => {
            out.push(value);
            Reading::Str
        }
    }
}

/// The same of values some of which are missing. They keep their place, so that an index means the
/// same for all that is told of a list; alone they are NULL.
pub(super) fn indexed_or_missing<'v, I>(
    index: Index,
    out: &mut Text,
    values: impl Fn() -> I,
) -> Reading
where
    I: Iterator<Item = Option<&'v [u8]>>,
{
    let start = out.len();
    match indexed(index, out, || values().map(Option::unwrap_or_default)) {
        Reading::Str if out.len() == start => Reading::Null,
        reading => reading,
    }
}

fn joined<'v>(out: &mut Text, values: impl Iterator<Item = &'v [u8]>) -> Reading {
    let start = out.len();
    let mut any = false;
    for value in values {
        if any {
            out.push(b", ");
        }
        any = true;
        out.push(value);
        if out.len() - start > JOINED_BYTES_MAX {
            return Reading::Null;
        }
    }
    if any { Reading::Str } else { Reading::Null }
}

fn stored_request<'c>(ctx: &'c Context<'_>) -> Option<&'c [u8]> {
    Some(ctx.turn.body.transactions.get(ctx.transaction?)?.transaction.request())
}

/// The winner's reply; none if its code was made here. Only failure routes have a winner.
fn stored_reply<'c>(ctx: &'c Context<'_>) -> Option<&'c [u8]> {
    let transaction = &ctx.turn.body.transactions.get(ctx.transaction?)?.transaction;
    transaction.branch(ctx.winner?.branch)?.reply()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(index: Index, values: &[&'static str]) -> String {
        let mut out = Text::new(10_000);
        out.push(b"before");
        match indexed(index, &mut out, || values.iter().map(|value| value.as_bytes())) {
            Reading::Str => String::from_utf8(out.as_bytes()[6..].to_vec()).unwrap(),
            _ => "NULL".to_owned(),
        }
    }

    /// spec/script.md §7: negative indexes count from the end, `*` joins.
    #[test]
    fn indexes() {
        let values = ["a", "b", "c"];
        assert_eq!(read(Index::None, &values), "a");
        assert_eq!(read(Index::At(1), &values), "b");
        assert_eq!(read(Index::At(3), &values), "NULL");
        assert_eq!(read(Index::At(-1), &values), "c");
        assert_eq!(read(Index::At(-3), &values), "a");
        assert_eq!(read(Index::At(-4), &values), "NULL");
        assert_eq!(read(Index::At(i32::MIN), &values), "NULL");
        assert_eq!(read(Index::All, &values), "a, b, c");
        assert_eq!(read(Index::All, &[]), "NULL");
        assert_eq!(read(Index::None, &[]), "NULL");
    }

    /// spec/script.md §7: a joined list of more than 511 bytes is NULL.
    #[test]
    fn joined_lists_are_bounded() {
        let long = "x".repeat(300).leak();
        assert_eq!(read(Index::All, &[long]).len(), 300);
        assert_eq!(read(Index::All, &[long, long]), "NULL");
    }
}
