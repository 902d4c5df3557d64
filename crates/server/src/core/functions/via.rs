//! What our Via and Record-Route show, and where replies go (spec/script.md §11).

use bitflags::bitflags;
use duologue_script::{Args, Called};

use super::yes_or_no;
use crate::context::Context;
use crate::sockets::uri_host;

bitflags! {
    /// The flags of `set_via_handling()`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Handling: u8 {
        const FORCE_RPORT = 1;
        const ADD_LOCAL_RPORT = 2;
        const REPLY_TO_VIA = 4;
        const FORCE_TCP_ALIAS = 8;
    }
}

const NAMES: [&str; 4] = ["force-rport", "add-local-rport", "reply-to-via", "force-tcp-alias"];

impl Handling {
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut flags = Self::empty();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let at = NAMES.iter().position(|known| *known == name)?;
            flags |= Self::from_bits_truncate(1 << at);
        }
        Some(flags)
    }
}

/// Replies go where the request came from, as if its Via had asked (RFC 3581 §4).
pub(super) fn force_rport(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    ctx.draft.forced_rport = true;
    ctx.draft.manners.reply_to_via = false;
    Called::Value(1)
}

/// Our own Via asks the next hop for the same (RFC 3581 §3).
pub(super) fn add_local_rport(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    ctx.draft.manners.local_rport = true;
    Called::Value(1)
}

/// Lets requests to the sender's own port leave by the connection that this one came by (RFC 5923,
/// without its `alias` in the Via). A datagram came by none: there is nothing to remember, and
/// whatever goes to the sender leaves as it always does.
pub(super) fn force_tcp_alias(_: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    yes_or_no(args.int(0).is_none_or(|port| (1..=65_535).contains(&port)))
}

/// What the author of a script that calls it is told.
pub(super) const ABOUT_ALIASES: &str = "`force_tcp_alias()` lets requests to the sender leave by \
    the connection that it opened; messages come by UDP here, which has none: nothing changes";

/// Several of these at once; what is not named is no longer wanted.
pub(super) fn set_handling(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(flags) = args.str(0).and_then(Handling::parse) else { return Called::Value(-1) };
    ctx.draft.forced_rport = flags.contains(Handling::FORCE_RPORT);
    ctx.draft.manners.local_rport = flags.contains(Handling::ADD_LOCAL_RPORT);
    ctx.draft.manners.reply_to_via = flags.contains(Handling::REPLY_TO_VIA);
    Called::Value(1)
}

pub(super) fn check_handling(_: usize, text: &str) -> Result<(), String> {
    match text.contains('$') || Handling::parse(text.as_bytes()).is_some() {
        true => Ok(()),
        false => Err(format!(
            "flags of set_via_handling() are {}, separated by commas, not \"{text}\"",
            NAMES.join(", ")
        )),
    }
}

/// The host that this message shows in our Via and Record-Route.
pub(super) fn set_advertised_address(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let host = args.str(0).and_then(|text| uri_host(std::str::from_utf8(text).ok()?));
    yes_or_no(host.is_some_and(|host| {
        ctx.draft.manners.shown.host = Some(host.into());
        true
    }))
}

/// The port that goes with it.
pub(super) fn set_advertised_port(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let port = args.str(0).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    yes_or_no(port.filter(|&port: &u16| port != 0).is_some_and(|port| {
        ctx.draft.manners.shown.port = Some(port);
        true
    }))
}

pub(super) fn check_address(_: usize, text: &str) -> Result<(), String> {
    match text.contains('$') || uri_host(text).is_some() {
        true => Ok(()),
        false => Err(format!("\"{text}\" is neither an address nor a host name")),
    }
}

pub(super) fn check_port(_: usize, text: &str) -> Result<(), String> {
    match text.contains('$') || text.parse::<u16>().is_ok_and(|port| port != 0) {
        true => Ok(()),
        false => Err(format!("\"{text}\" is no port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §11.
    #[test]
    fn literal_arguments_are_checked() {
        assert!(check_handling(0, "force-rport, reply-to-via").is_ok());
        assert!(check_handling(0, "force_rport").unwrap_err().contains("force-rport"));
        assert!(check_address(0, "2001:db8::1").is_ok() && check_address(0, "$si").is_ok());
        assert!(check_address(0, "a b").is_err());
        assert!(check_port(0, "5060").is_ok() && check_port(0, "0").is_err());
    }
}
