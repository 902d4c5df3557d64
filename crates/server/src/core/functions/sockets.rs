//! Sockets, and who we are.

use duologue_script::{Args, Called, Setup};

use super::yes_or_no;
use crate::context::Context;
use crate::sockets::SocketSpec;

pub(super) fn force_send_socket(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let socket = args.str(0).and_then(|text| ctx.turn.node.sockets.find_forced(text));
    if socket.is_some() {
        ctx.draft.target.socket = socket;
    }
    yes_or_no(socket.is_some())
}

/// `socket_belongs_to_bond(socket, bond)`.
pub(super) fn belongs_to_bond(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let sockets = &ctx.turn.node.sockets;
    let socket = args.str(0).and_then(|text| sockets.find_text(text));
    let bond = args.str(1).and_then(|text| sockets.find_bond(text));
    yes_or_no(socket.zip(bond).is_some_and(|(socket, bond)| sockets.is_bonded(socket, bond)))
}

pub(super) fn check_socket(index: usize, text: &str) -> Result<(), String> {
    if index > 0 || text.strip_prefix("bond:").is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    match text.parse::<SocketSpec>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("a socket is proto:host[:port], not \"{text}\"")),
    }
}

/// A bond is one that the script defines: `bond:NAME`, or `NAME` where nothing else can stand.
pub(super) fn check_bond(setup: &Setup, index: usize, text: &str) -> Result<(), String> {
    let name = text.strip_prefix("bond:").or((index > 0).then_some(text));
    match name {
        Some(name) if !setup.bonds.iter().any(|bond| bond.name == name) => {
            Err(format!("there is no bond `{name}`"))
        }
        _ => Ok(()),
    }
}

/// Closes the connection with this number, or to this `ip:port`. Messages come by UDP: there is none
/// to close.
pub(super) fn close_connection(_: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    Called::Value(-1)
}

/// What the author of a script that calls it is told.
pub(super) const ABOUT_CONNECTIONS: &str = "`tcp_close_conn()` closes a connection; messages come \
    by UDP here, which has none: it always answers -1";

pub(super) fn is_myself(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(host) = args.str(0) else { return Called::Value(-1) };
    let port = match args.int(1).map(u16::try_from) {
        None => None,
        Some(Ok(port)) => Some(port),
        Some(Err(_)) => return Called::Value(-1),
    };
    yes_or_no(ctx.turn.node.sockets.is_me(host, port, None))
}
