//! `{s.*}` on plain bytes.

use crate::value::{Reading, Text};

pub(super) fn leading_int(input: &[u8]) -> i32 {
    let (negative, digits) = match input {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0i32, |n, b| n.wrapping_mul(10).wrapping_add(i32::from(b - b'0')));
    if negative { value.wrapping_neg() } else { value }
}

/// A place that may count from the end, within `0..=len`.
fn place(at: i32, len: usize) -> Option<usize> {
    let at = if at < 0 { len.checked_sub(at.unsigned_abs() as usize)? } else { at as usize };
    (at <= len).then_some(at)
}

pub(super) fn substr(input: &[u8], offset: i32, len: i32) -> Option<&[u8]> {
    let from = place(offset, input.len()).filter(|from| *from < input.len())?;
    let to = match len {
        0 => input.len(),
        1.. => input.len().min(from + len as usize),
        _ => input.len().checked_sub(len.unsigned_abs() as usize).filter(|to| *to >= from)?,
    };
    Some(&input[from..to])
}

pub(super) fn select(input: &[u8], index: i32, separator: u8) -> Option<&[u8]> {
    let mut fields = input.split(|b| *b == separator);
    match usize::try_from(index) {
        Ok(n) => fields.nth(n),
        Err(_) => fields.rev().nth(index.unsigned_abs() as usize - 1),
    }
}

/// A negative start wraps modulo the length.
fn start(input: &[u8], start: i32) -> Option<usize> {
    let len = i64::try_from(input.len()).ok().filter(|len| *len > 0)?;
    let start = i64::from(start);
    let start = if start < 0 { start.rem_euclid(len) } else { start };
    usize::try_from(start).ok()
}

/// Positions in a text of some kilobytes: a plain search is enough, and bounded by the limit of
/// a text times a short needle.
pub(super) fn index(input: &[u8], needle: &[u8], from: Option<i32>) -> Reading {
    let found =
        start(input, from.unwrap_or(0)).filter(|from| *from <= input.len()).and_then(|from| {
            let rest = &input[from..];
            if needle.is_empty() {
                return Some(from);
            }
            rest.windows(needle.len()).position(|w| w == needle).map(|at| at + from)
        });
    found.map_or(Reading::Null, |at| Reading::Int(at as i32))
}

pub(super) fn rindex(input: &[u8], needle: &[u8], last: Option<i32>) -> Reading {
    if needle.is_empty() || needle.len() > input.len() {
        return Reading::Null;
    }
    let highest = input.len() - needle.len();
    let last = match last {
        None => highest,
        Some(last) => start(input, last).unwrap_or(0).min(highest),
    };
    let found = (0..=last).rev().find(|at| input[*at..].starts_with(needle));
    found.map_or(Reading::Null, |at| Reading::Int(at as i32))
}

pub(super) fn each(input: &[u8], out: &mut Text, change: impl Fn(u8) -> u8) -> Reading {
    input.iter().for_each(|&byte| out.push_byte(change(byte)));
    Reading::Str
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

pub(super) fn trim_left(input: &[u8]) -> &[u8] {
    let blanks = input.iter().take_while(|b| is_blank(b)).count();
    &input[blanks..]
}

pub(super) fn trim_right(input: &[u8]) -> &[u8] {
    let blanks = input.iter().rev().take_while(|b| is_blank(b)).count();
    &input[..input.len() - blanks]
}

pub(super) fn escape_common(input: &[u8], out: &mut Text) -> Reading {
    for &byte in input {
        match byte {
            b'\'' | b'"' | b'\\' => out.push(&[b'\\', byte]),
            0 => out.push(b"\\0"),
            byte => out.push_byte(byte),
        }
    }
    Reading::Str
}

pub(super) fn unescape_common(input: &[u8], out: &mut Text) -> Reading {
    let mut rest = input;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'\\', [escaped @ (b'\'' | b'"' | b'\\'), after @ ..]) => {
                out.push_byte(*escaped);
                after
            }
            (b'\\', [b'0', after @ ..]) => {
                out.push_byte(0);
                after
            }
            _ => {
                out.push_byte(*byte);
                after
            }
        };
    }
    Reading::Str
}

pub(super) fn fill(input: &[u8], token: &[u8], len: usize, left: bool, out: &mut Text) -> Reading {
    if !left {
        out.push(input);
    }
    if !token.is_empty() {
        let missing = len.saturating_sub(input.len()).min(crate::limits::SCRATCH_BYTES_MAX);
        token.iter().cycle().take(missing).for_each(|&byte| out.push_byte(byte));
    }
    if left {
        out.push(input);
    }
    Reading::Str
}

pub(super) fn width(input: &[u8], len: usize, out: &mut Text) -> Reading {
    let missing = len.saturating_sub(input.len()).min(crate::limits::SCRATCH_BYTES_MAX);
    out.push(&input[..len.min(input.len())]);
    (0..missing).for_each(|_| out.push_byte(b' '));
    Reading::Str
}

pub(super) fn xor(input: &[u8], secret: &[u8], out: &mut Text) -> Reading {
    if secret.is_empty() {
        return Reading::Null;
    }
    input.iter().zip(secret.iter().cycle()).for_each(|(a, b)| out.push_byte(a ^ b));
    Reading::Str
}
