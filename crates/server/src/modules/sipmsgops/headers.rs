//! Header lines that come and go.

use duologue_script::{Args, Called, Value};
use duologue_sip::{Header, HeaderRef, Span};

use super::yes_or_no;
use crate::context::Context;
use crate::glob;

/// After the last header, or after the first one of the anchor's name.
pub(super) fn append_hf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some((text, ending)) = args.str(0).and_then(lines) else { return Called::Value(-1) };
    let message = ctx.message;
    let anchor = args.str(1).and_then(|name| message.header(header_name(name)));
    let mut draft = ctx.edits().draft(message);
    match anchor {
        Some(header) => draft.insert_lines_after(&header, &[text, ending]),
        None => draft.append_lines(&[text, ending]),
    }
    Called::Value(1)
}

/// Before the first header, or before the first one of the anchor's name.
pub(super) fn insert_hf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some((text, ending)) = args.str(0).and_then(lines) else { return Called::Value(-1) };
    let message = ctx.message;
    let anchor = args.str(1).and_then(|name| message.header(header_name(name)));
    let mut draft = ctx.edits().draft(message);
    match anchor {
        Some(header) => draft.insert_lines_before(&header, &[text, ending]),
        None => draft.prepend_lines(&[text, ending]),
    }
    Called::Value(1)
}

/// Prefix, Request-URI as received, suffix.
pub(super) fn append_urihf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(prefix), Some(suffix)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let message = ctx.message;
    let line = [prefix, message.uri_bytes(), suffix].concat();
    let Some((text, ending)) = lines(&line) else { return Called::Value(-1) };
    ctx.edits().draft(message).append_lines(&[text, ending]);
    Called::Value(1)
}

pub(super) fn remove_hf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(name) = args.str(0) else { return Called::Value(-1) };
    let message = ctx.message;
    yes_or_no(ctx.edits().draft(message).remove_all(header_name(name)) > 0)
}

/// Those whose name a regular expression is found in.
pub(super) fn remove_hf_re(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(pattern) = args.regex(0) else { return Called::Value(-1) };
    remove_named(ctx, |name| pattern.is_match(name))
}

/// Those whose name a shell pattern fits.
pub(super) fn remove_hf_glob(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(pattern) = args.str(0) else { return Called::Value(-1) };
    remove_named(ctx, |name| glob::matches_ignoring_case(pattern, name))
}

fn remove_named(ctx: &mut Context<'_>, fits: impl Fn(&[u8]) -> bool) -> Called {
    let message = ctx.message;
    let edits = ctx.edits();
    let spans: Vec<Span> =
        message.headers().filter(|it| is_named(it, &fits)).map(|it| it.span()).collect();
    let some = !spans.is_empty() && edits.has_room(spans.len(), 0);
    if some {
        spans.into_iter().for_each(|span| edits.delete(span));
    }
    yes_or_no(some)
}

/// Names and values of the headers whose name a shell pattern fits, pushed one after the other so
/// that the first header's is on top of the stack in the end.
pub(super) fn get_glob_headers_values(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(pattern) = args.str(0) else { return Called::Value(-1) };
    let message = ctx.message;
    let mut found = false;
    for header in message
        .headers()
        .rev()
        .filter(|it| is_named(it, &|name| glob::matches_ignoring_case(pattern, name)))
    {
        found = true;
        let names = args.store(ctx, 1, Value::Str(long_name(&header)));
        let values = args.store(ctx, 2, Value::Str(header.value()));
        if names.and(values).is_err() {
            return Called::Value(-1);
        }
    }
    yes_or_no(found)
}

/// Whether a pattern fits a header's name, as it is written or in full.
fn is_named(header: &Header<'_>, fits: &impl Fn(&[u8]) -> bool) -> bool {
    fits(header.name()) || fits(long_name(header))
}

/// The name in full, if it is a known one; else as written.
fn long_name<'b>(header: &Header<'b>) -> &'b [u8] {
    header.known().map_or(header.name(), |name| name.as_str().as_bytes())
}

pub(super) fn header_name(name: &[u8]) -> HeaderRef<'_> {
    HeaderRef::from(name.trim_ascii())
}

/// Header lines as a script wrote them, and the line break that they lack. None if they are empty
/// or would end the headers: a blank line in the middle of a message makes the rest its body.
pub(super) fn lines(text: &[u8]) -> Option<(&[u8], &'static [u8])> {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map(|last| last + 1)?;
    let text = &text[..end];
    let mut inner = text.split(|&byte| byte == b'\n');
    let blank = inner.any(|line| line.is_empty() || line == b"\r");
    (!blank).then_some((text, b"\r\n"))
}

pub(super) fn check_header(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if lines(text.as_bytes()).is_none() => {
            Err("a blank line would end the headers".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lines_get_their_line_break_and_no_blank_line() {
        let text =
            |text: &'static str| lines(text.as_bytes()).map(|(text, end)| [text, end].concat());
        for given in ["P-Hint: a", "P-Hint: a\r\n", "P-Hint: a\n", "P-Hint: a\r\n\r\n"] {
            assert_eq!(text(given).as_deref(), Some(&b"P-Hint: a\r\n"[..]), "{given:?}");
        }
        assert_eq!(text("A: 1\r\nB: 2\r\n").as_deref(), Some(&b"A: 1\r\nB: 2\r\n"[..]));
        for blank in ["", "\r\n", "A: 1\r\n\r\nB: 2\r\n", "A: 1\n\nB: 2"] {
            assert_eq!(text(blank), None, "{blank:?}");
        }
    }
}
