//! What a script sends on its own account, and what it adds to what goes out (spec/modules.md §1.2).

use duologue_script::{Args, Called};

use crate::context::Context;
use crate::new_requests::{self, NewRequest};
use crate::relay;
use crate::target::{URI_MAX, destination};

/// How many bytes of header lines may be added to requests or to CANCELs.
const LINES_MAX: usize = 8192;

/// Sends a request that has nothing to do with the message at hand.
pub(super) fn t_new_request(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let text = |i| args.str(i).map(<[u8]>::to_vec);
    let (Some(method), Some(uri), Some(from), Some(to)) = (text(0), text(1), text(2), text(3))
    else {
        return Called::Value(-1);
    };
    let body = args.str(4).filter(|text| !text.is_empty()).map(split_body);
    if body == Some(None) {
        return Called::Value(-1);
    }
    let (body, context) = (body.flatten(), text(5));
    let new = NewRequest { method, uri, from, to, body, context, ..NewRequest::default() };
    let Some(new) = new.checked() else { return Called::Value(-1) };
    if destination(&new.uri).is_err() {
        return Called::Value(-1);
    }
    Called::Value(if new_requests::send(ctx.turn.node, new) { 1 } else { -1 })
}

/// `type body…`: the type ends at the first blank.
fn split_body(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let blank = text.iter().position(|&byte| byte == b' ')?;
    let (kind, body) = (&text[..blank], &text[blank + 1..]);
    let plain = kind.contains(&b'/') && !kind.contains(&b'\r') && !kind.contains(&b'\n');
    plain.then(|| (kind.to_vec(), body.to_vec()))
}

/// Header lines for every branch of the request.
pub(super) fn t_add_hdrs(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(lines) = args.str(0).and_then(lines) else { return Called::Value(-1) };
    add(&mut ctx.draft.request_headers, &lines)
}

/// A Reason for the CANCELs of this INVITE; in the CANCEL's own script, of the INVITE that it means.
pub(super) fn t_add_cancel_reason(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let reason = args.str(0).and_then(lines).filter(|lines| is_reason(lines));
    let Some(reason) = reason else { return Called::Value(-1) };
    add(&mut ctx.draft.cancel_headers, &reason)
}

pub(super) fn check_reason(_: usize, text: &str) -> Result<(), String> {
    // With variables in it, it is known at run time only.
    if text.contains('$') || lines(text.as_bytes()).is_some_and(|lines| is_reason(&lines)) {
        return Ok(());
    }
    Err("it is a header line: \"Reason: …\\r\\n\"".to_owned())
}

fn is_reason(lines: &[u8]) -> bool {
    lines.get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"reason:"))
}

fn add(to: &mut Vec<u8>, lines: &[u8]) -> Called {
    if to.len() + lines.len() > LINES_MAX {
        return Called::Value(-1);
    }
    to.extend_from_slice(lines);
    Called::Value(1)
}

/// Whole header lines, the last one's end added if it is missing; `None` for what is none: a line
/// without a colon would break the message, an empty one end its head.
fn lines(text: &[u8]) -> Option<Vec<u8>> {
    let mut whole = text.to_vec();
    if !whole.ends_with(b"\r\n") {
        whole.extend_from_slice(b"\r\n");
    }
    let mut each = whole.strip_suffix(b"\r\n")?.split(|&byte| byte == b'\n');
    let fits = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let folded = line.first().is_some_and(|&byte| byte == b' ' || byte == b'\t');
        folded || line.iter().position(|&byte| byte == b':').is_some_and(|colon| colon > 0)
    };
    let starts_folded = whole.first().is_some_and(|&byte| byte == b' ' || byte == b'\t');
    (!starts_folded && each.all(fits)).then_some(whole)
}

/// Sends a copy to another place, whose replies nobody hears.
pub(super) fn t_replicate(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(uri) = args.str(0) else { return Called::Value(-1) };
    if uri.len() > URI_MAX || destination(uri).is_err() {
        return Called::Value(-1);
    }
    Called::Value(relay::replicate(ctx, uri))
}

/// Lets the transaction know the message flags as they are now.
pub(super) fn t_flush_flags(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let flags = ctx.draft.flags;
    let entry = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get_mut(id));
    let Some(entry) = entry else { return Called::Value(-1) };
    entry.attach().flags = flags;
    Called::Value(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §1.2, `t_new_request`: the body is `type body…`.
    #[test]
    fn a_body_begins_with_its_type() {
        let split = split_body(b"text/plain Hello you").unwrap();
        assert_eq!(split, (b"text/plain".to_vec(), b"Hello you".to_vec()));
        assert_eq!(split_body(b"Hello you"), None);
        assert_eq!(split_body(b"text/plain"), None);
    }

    /// spec/modules.md §1.2, `t_add_hdrs`, `t_add_cancel_reason`.
    #[test]
    fn header_lines_are_whole_and_are_lines() {
        assert_eq!(lines(b"X: y").unwrap(), b"X: y\r\n");
        assert_eq!(lines(b"X: y\r\nZ: a\r\n b\r\n").unwrap(), b"X: y\r\nZ: a\r\n b\r\n");
        for bad in [&b""[..], b"\r\n", b"X", b"X: y\r\n\r\nbody", b": y", b" X: y"] {
            assert_eq!(lines(bad), None, "{:?}", String::from_utf8_lossy(bad));
        }
        assert!(check_reason(0, "Reason: SIP;cause=200\r\n").is_ok());
        assert!(check_reason(0, "reason: $avp(x)").is_ok());
        assert!(check_reason(0, "X-Reason: SIP").is_err());
    }
}
