//! `{sdp.line}`, `{sdp.stream}`, `{sdp.stream-delete}` (spec/script.md §9.2; RFC 4566 §5).

use std::ops::Range;

use duologue_script::{Reading, Text, TransformCall, Value};

use super::{argument, filled};

/// The n-th line of a kind, without its line break: the first without a number, counted from the
/// end if that is negative.
pub(super) fn line(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let Some(&[kind, ..]) = argument(call) else { return Reading::Null };
    let index = match call.args.get(1) {
        None => 0,
        Some(number) => match integer(number) {
            Some(index) => index,
            None => return Reading::Null,
        },
    };
    let of_kind = || lines(call.input).filter(|line| line.starts_with(&[kind, b'=']));
    filled(out, place(index, || of_kind().count()).and_then(|at| of_kind().nth(at)))
}

/// A medium with its lines, by its number or by its name.
pub(super) fn stream(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    filled(out, chosen(call).next().map(|range| &call.input[range]))
}

/// The session without a medium, or without all of that name.
pub(super) fn without_stream(call: &TransformCall<'_>, out: &mut Text) -> Reading {
    let mut from = 0;
    let mut any = false;
    for range in chosen(call) {
        out.push(&call.input[from..range.start]);
        from = range.end;
        any = true;
    }
    if !any {
        return Reading::Null;
    }
    out.push(&call.input[from..]);
    Reading::Str
}

/// The media that the argument means.
fn chosen<'a>(call: &TransformCall<'a>) -> impl Iterator<Item = Range<usize>> + use<'a> {
    let input = call.input;
    let wanted = call.args.first().copied().unwrap_or(Value::Null);
    let by_number = integer(&wanted);
    let at = by_number.and_then(|index| place(index, || streams(input).count()));
    let name = wanted.text().unwrap_or_default();
    streams(input).enumerate().filter_map(move |(number, range)| {
        let meant = match by_number {
            Some(_) => at == Some(number),
            None => medium(&input[range.clone()]).eq_ignore_ascii_case(name),
        };
        meant.then_some(range)
    })
}

/// The name in an m= line.
fn medium(stream: &[u8]) -> &[u8] {
    let rest = stream.get(2..).unwrap_or_default();
    let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    &rest[..end]
}

/// Where each medium lies: from its m= line to the next, or to the end.
fn streams(session: &[u8]) -> impl Iterator<Item = Range<usize>> + use<'_> {
    let starts = |from: usize| {
        (from..session.len())
            .find(|&at| session[at..].starts_with(b"m=") && (at == 0 || session[at - 1] == b'\n'))
    };
    let mut next = starts(0);
    std::iter::from_fn(move || {
        let start = next?;
        next = starts(start + 1);
        Some(start..next.unwrap_or(session.len()))
    })
}

fn lines(session: &[u8]) -> impl Iterator<Item = &[u8]> {
    session.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn integer(value: &Value<'_>) -> Option<i32> {
    value.int().or_else(|| std::str::from_utf8(value.text()?).ok()?.parse().ok())
}

fn place(index: i32, count: impl FnOnce() -> usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(at) => Some(at),
        Err(_) => count().checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}
