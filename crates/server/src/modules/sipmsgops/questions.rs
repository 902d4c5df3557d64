//! Questions about a message.

use duologue_script::{Args, Called};
use duologue_sip::{HeaderName, Method};

use super::headers::header_name;
use super::yes_or_no;
use crate::context::Context;

pub(super) fn is_present_hf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    yes_or_no(args.str(0).is_some_and(|name| ctx.message.has(header_name(name))))
}

pub(super) fn is_method(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let method = match ctx.message.method() {
        Some(method) => Some(method),
        // A reply is as the request that it answers.
        None => ctx.message.cseq().ok().map(|cseq| cseq.method),
    };
    let listed = method.zip(args.str(0)).is_some_and(|(method, list)| lists(list, method));
    yes_or_no(listed)
}

pub(super) fn check_method(_: usize, text: &str) -> Result<(), String> {
    let mut names = text.split('|').map(str::trim);
    if !text.contains('|') {
        return match Method::parse(text.trim().as_bytes()) {
            Some(_) => Ok(()),
            None => Err(format!("\"{text}\" is no method")),
        };
    }
    let known =
        |name: &&str| !matches!(Method::parse(name.as_bytes()), None | Some(Method::Other(_)));
    match names.find(|name| !known(name)) {
        Some(name) => Err(format!("\"{name}\" is no method that can stand in a list")),
        None => Ok(()),
    }
}

pub(super) fn has_totag(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    yes_or_no(ctx.message.to().is_ok_and(|to| to.tag().is_some()))
}

pub(super) fn is_privacy(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let wanted = args.str(0).unwrap_or_default().trim_ascii();
    // RFC 3323 §4.2: the values are joined by semicolons.
    let mut listed = ctx.message.all(HeaderName::Privacy).flat_map(|header| {
        header.value().split(|&byte| byte == b';' || byte == b',').map(<[u8]>::trim_ascii)
    });
    yes_or_no(listed.any(|value| value.eq_ignore_ascii_case(wanted)))
}

/// Whether `list`, a method or several with bars between, names `method`.
fn lists(list: &[u8], method: Method<'_>) -> bool {
    list.split(|&byte| byte == b'|').any(|name| name.trim_ascii() == method.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §6: one name, or a list of known ones.
    #[test]
    fn methods_are_named_alone_or_in_a_list() {
        let invite = Method::Invite;
        assert!(lists(b"INVITE", invite));
        assert!(lists(b"BYE|INVITE|ACK", invite));
        assert!(lists(b"BYE | INVITE", invite));
        assert!(!lists(b"BYE|ACK", invite));
        assert!(lists(b"FOO", Method::Other(b"FOO")));
        assert!(!lists(b"", invite));

        for good in ["INVITE", "FOO", "INVITE|ACK|BYE"] {
            assert!(check_method(0, good).is_ok(), "{good}");
        }
        for bad in ["", "INVITE|", "INVITE|FOO", "A B"] {
            assert!(check_method(0, bad).is_err(), "{bad}");
        }
    }
}
