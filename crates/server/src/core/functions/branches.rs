//! Additional branches (spec/script.md §11): further targets that a request is forked to.

use duologue_script::{Args, Called};

use super::uri::whole;
use super::yes_or_no;
use crate::context::{BRANCHES_MAX, Context};
use crate::target::Target;

/// Adds a branch; false if there are [`BRANCHES_MAX`] already or the message is no request.
pub(in crate::core) fn append(ctx: &mut Context<'_>, branch: Target) -> bool {
    // The Request-URI is a branch, too.
    let fits = ctx.message.is_request() && ctx.draft.branches.len() + 1 < BRANCHES_MAX;
    if fits {
        ctx.draft.branches.push(branch);
    }
    fits
}

/// Without a URI the Request-URI branch moves into a new one and starts anew as far as next hop,
/// q, flags and socket go; with a URI the new branch inherits those.
pub(super) fn append_branch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(q) = q_argument(args, 1) else { return Called::Value(-1) };
    let given = args.str(0).filter(|uri| !uri.is_empty());
    let uri = match given {
        Some(uri) => whole(uri),
        None => ctx.request_uri().map(<[u8]>::to_vec),
    };
    if uri.is_none() {
        return Called::Value(-1);
    }
    let mut inherited = ctx.draft.target.clone();
    let q = q.unwrap_or(inherited.q);
    if given.is_some() {
        // What the script hung on the one says nothing of the other.
        inherited.attrs.clear();
    }
    let appended = append(ctx, Target { uri, q, ..inherited });
    if appended && given.is_none() {
        let target = &mut ctx.draft.target;
        *target = Target { uri: target.uri.take(), ..Target::received() };
    }
    yes_or_no(appended)
}

/// Adds a branch of this URI and q alone, unless told to `inherite` the rest.
pub(super) fn append_msg_branch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(q), Some(uri)) = (q_argument(args, 1), args.str(0).and_then(whole)) else {
        return Called::Value(-1);
    };
    let inherits = match args.str(2) {
        None | Some(b"") => false,
        Some(flags) if is_inherit(flags) => true,
        Some(_) => return Called::Value(-1),
    };
    let mut base = if inherits { ctx.draft.target.clone() } else { Target::received() };
    base.attrs.clear();
    let q = q.unwrap_or(base.q);
    yes_or_no(append(ctx, Target { uri: Some(uri), q, ..base }))
}

pub(super) fn check_flags(index: usize, text: &str) -> Result<(), String> {
    match index {
        1 if thousandths(text.as_bytes()).is_none() && !text.is_empty() => {
            Err(format!("a q value is a number from 0 to 1, not \"{text}\""))
        }
        2 if !text.is_empty() && !is_inherit(text.as_bytes()) => {
            Err(format!("the flag of append_msg_branch() is \"inherite\", not \"{text}\""))
        }
        _ => Ok(()),
    }
}

/// Removes an additional branch; 0 is the first, later ones move up.
pub(super) fn remove(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let index = args.int(0).and_then(|index| usize::try_from(index).ok());
    let Some(index) = index.filter(|&index| index < ctx.draft.branches.len()) else {
        return Called::Value(-1);
    };
    ctx.draft.branches.remove(index);
    Called::Value(1)
}

/// The language spells it with an e at the end; the word itself is understood, too.
fn is_inherit(flags: &[u8]) -> bool {
    matches!(flags.trim_ascii(), b"inherite" | b"inherit")
}

/// The q at a position: `Some(None)` if none is given, `None` if it is no q value.
fn q_argument(args: &Args<'_>, i: usize) -> Option<Option<i32>> {
    match args.str(i) {
        None | Some(b"") => Some(None),
        Some(text) => thousandths(text).map(Some),
    }
}

/// A q value (RFC 3261 §25.1) in thousandths.
pub(in crate::core) fn thousandths(text: &[u8]) -> Option<i32> {
    let (whole, decimals) = match memchr::memchr(b'.', text) {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    let whole = match whole {
        b"0" | b"" if !text.is_empty() => 0,
        b"1" => 1000,
        _ => return None,
    };
    let digits = decimals.len() <= 3 && decimals.iter().all(u8::is_ascii_digit);
    let scaled = decimals.iter().zip([100, 10, 1]).map(|(&digit, by)| i32::from(digit - b'0') * by);
    digits.then(|| whole + scaled.sum::<i32>()).filter(|&q| q <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_values_are_thousandths() {
        for (text, q) in [("0", 0), ("1", 1000), ("0.5", 500), ("0.125", 125), ("1.000", 1000)] {
            assert_eq!(thousandths(text.as_bytes()), Some(q), "{text}");
        }
        for bad in ["", "2", "0.1234", "1.1", "x", "0.x", "-1"] {
            assert_eq!(thousandths(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn literal_arguments_are_checked() {
        assert!(check_flags(1, "0.7").is_ok());
        assert!(check_flags(1, "7").is_err());
        assert!(check_flags(2, "inherite").is_ok());
        assert!(check_flags(2, "all").is_err());
    }
}
