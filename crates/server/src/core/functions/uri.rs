//! The Request-URI and the next hop, part by part.
//!
//! Every edit makes the new URI from the present one and checks it, so a broken URI never gets into
//! a request: the function fails and the old one stays.

use duologue_script::{Args, Called};
use duologue_sip::Uri;

use super::yes_or_no;
use crate::context::Context;
use crate::target::{URI_MAX, with_host_port, with_port, with_user};

/// Replaces the Request-URI by what `make` makes of it; false, and no change, if that is nothing
/// or if there is none (replies).
pub(in crate::core) fn edit(
    ctx: &mut Context<'_>,
    make: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> bool {
    if !ctx.message.is_request() {
        return false;
    }
    let made = ctx.request_uri().and_then(make);
    let changed = made.is_some();
    if changed {
        ctx.draft.target.uri = made;
    }
    changed
}

/// `uri`, if a request can carry it.
pub(in crate::core) fn whole(uri: &[u8]) -> Option<Vec<u8>> {
    (uri.len() <= URI_MAX && Uri::parse(uri).is_ok()).then(|| uri.to_vec())
}

pub(super) fn set_uri(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let made = args.str(0).and_then(|uri| ctx.sound_uri(uri));
    yes_or_no(edit(ctx, |_| made))
}

pub(super) fn set_user(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_with(ctx, args, with_user)
}

pub(super) fn set_user_pass(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_with(ctx, args, with_user_pass)
}

pub(super) fn set_host(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_with(ctx, args, |uri, host| with_host_port(uri, host, None))
}

pub(super) fn set_host_port(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_with(ctx, args, |uri, text| {
        let (host, port) = split_host_port(text)?;
        with_host_port(uri, host, Some(port))
    })
}

pub(super) fn set_port(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_with(ctx, args, |uri, text| with_port(uri, port(text)?))
}

pub(super) fn prefix(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_with(ctx, args, with_prefix)
}

pub(super) fn strip(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let count = count(args);
    yes_or_no(edit(ctx, |uri| with_part_of_user(uri, |user| &user[count.min(user.len())..])))
}

pub(super) fn strip_tail(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let count = count(args);
    let keep = |user: &[u8]| user.len().saturating_sub(count);
    yes_or_no(edit(ctx, |uri| with_part_of_user(uri, |user| &user[..keep(user)])))
}

pub(super) fn check_count(_: usize, text: &str) -> Result<(), String> {
    match text.parse::<i32>() {
        Ok(number) if number < 0 => Err("the number of digits to strip is negative".to_owned()),
        _ => Ok(()),
    }
}

/// Back to the Request-URI as received.
pub(super) fn revert(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    ctx.draft.target.uri = None;
    yes_or_no(ctx.message.is_request())
}

pub(super) fn set_destination(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let next_hop = args.str(0).and_then(|uri| ctx.sound_uri(uri));
    let valid = next_hop.is_some();
    if valid {
        ctx.draft.target.next_hop = next_hop;
    }
    yes_or_no(valid)
}

pub(super) fn reset_destination(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    ctx.draft.target.next_hop = None;
    Called::Value(1)
}

pub(super) fn is_destination_set(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    yes_or_no(ctx.draft.target.next_hop.is_some())
}

/// A port as a script writes it; an empty text means none.
pub(in crate::core) fn port(text: &[u8]) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.iter().all(u8::is_ascii_digit).then_some(text)?;
    std::str::from_utf8(digits).ok()?.parse().ok().map(Some)
}

fn edit_with(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    make: impl FnOnce(&[u8], &[u8]) -> Option<Vec<u8>>,
) -> Called {
    let Some(text) = args.str(0) else { return Called::Value(-1) };
    yes_or_no(edit(ctx, |uri| make(uri, text)))
}

fn count(args: &Args<'_>) -> usize {
    usize::try_from(args.int(0).unwrap_or_default()).unwrap_or_default()
}

fn with_user_pass(uri: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let (user, password) = match memchr::memchr(b':', text) {
        Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
        None => (text, None),
    };
    whole(&Uri::parse(uri).ok()?.rewrite().user(Some(user)).password(password).to_vec())
}

fn with_prefix(uri: &[u8], prefix: &[u8]) -> Option<Vec<u8>> {
    let mut user = prefix.to_vec();
    user.extend_from_slice(Uri::parse(uri).ok()?.user().unwrap_or_default());
    with_user(uri, &user)
}

fn with_part_of_user(uri: &[u8], part: impl FnOnce(&[u8]) -> &[u8]) -> Option<Vec<u8>> {
    let user = Uri::parse(uri).ok()?.user().unwrap_or_default();
    let kept = part(user);
    if kept.is_empty() {
        // Nobody is left whose password it could be.
        return whole(&Uri::parse(uri).ok()?.rewrite().user(None).to_vec());
    }
    with_user(uri, kept)
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn split_host_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let after_brackets = memchr::memchr(b']', text).map_or(0, |at| at + 1);
    match memchr::memchr(b':', &text[after_brackets..]) {
        None => Some((text, None)),
        Some(at) => {
            let (host, digits) = text.split_at(after_brackets + at);
            Some((host, Some(port(&digits[1..])??)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(uri: Option<Vec<u8>>) -> String {
        uri.map_or("none".to_owned(), |uri| String::from_utf8(uri).unwrap())
    }

    /// spec/script.md §11.
    #[test]
    fn the_user_is_prefixed_and_stripped() {
        let uri = b"sip:0431@example.com;x=y";
        assert_eq!(text(with_prefix(uri, b"00")), "sip:000431@example.com;x=y");
        assert_eq!(text(with_prefix(b"sip:example.com", b"9")), "sip:9@example.com");
        assert_eq!(text(with_part_of_user(uri, |u| &u[1..])), "sip:431@example.com;x=y");
        assert_eq!(text(with_part_of_user(uri, |_| &[])), "sip:example.com;x=y");
        assert_eq!(text(with_part_of_user(b"sip:a:pw@h", |_| &[])), "sip:h");
        assert_eq!(text(with_user_pass(uri, b"bob:secret")), "sip:bob:secret@example.com;x=y");
        assert_eq!(text(with_user_pass(b"sip:a:pw@h", b"bob")), "sip:bob@h");
    }

    #[test]
    fn a_broken_uri_is_no_uri() {
        assert_eq!(text(whole(b"sip:a b@h")), "none");
        assert_eq!(text(whole(b"nonsense")), "none");
        assert_eq!(text(whole(&[&b"sip:"[..], &[b'a'; URI_MAX]].concat())), "none");
        assert_eq!(text(with_prefix(b"sip:a@h", b"<")), "none");
    }

    #[test]
    fn host_and_port_are_split() {
        assert_eq!(split_host_port(b"h"), Some((&b"h"[..], None)));
        assert_eq!(split_host_port(b"h:5070"), Some((&b"h"[..], Some(5070))));
        assert_eq!(split_host_port(b"[::1]:5070"), Some((&b"[::1]"[..], Some(5070))));
        assert_eq!(split_host_port(b"[::1]"), Some((&b"[::1]"[..], None)));
        for bad in [&b"h:"[..], b"h:x", b"h:70000", b"h:+1"] {
            assert_eq!(split_host_port(bad), None);
        }
        assert_eq!(port(b""), Some(None));
        assert_eq!(port(b"5060"), Some(Some(5060)));
        assert_eq!(port(b"-1"), None);
    }
}
