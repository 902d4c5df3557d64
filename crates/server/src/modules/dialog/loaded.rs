//! Another dialog as the current one (spec/dialog.md §14): `load_dialog_ctx()` and its way back,
//! which the end of the run takes too (decision D33).

use duologue_dialog::{Dialog, Dialogs};
use duologue_script::{Args, Called};

use crate::context::Context;

/// By what a dialog is looked up.
#[derive(Clone, Copy)]
enum Kind {
    CallId,
    Did,
}

impl Kind {
    fn named(text: &[u8]) -> Option<Self> {
        match text {
            b"callid" => Some(Self::CallId),
            b"did" => Some(Self::Did),
            _ => None,
        }
    }

    fn find(self, dialogs: &Dialogs, id: &[u8]) -> Option<Dialog> {
        match self {
            // one that lives rather than one that has ended
            Self::CallId => {
                let any = || dialogs.all_by_callid(id).into_iter().next();
                dialogs.by_callid(id, None).or_else(any)
            }
            Self::Did => dialogs.by_did(id),
        }
    }
}

pub(super) fn load_dialog_ctx(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let kind = args.str(1).map_or(Some(Kind::CallId), Kind::named);
    let (Some(id), Some(kind), None) = (args.str(0), kind, ctx.loaded) else {
        return Called::Value(-1);
    };
    let active_only = args.int(2).unwrap_or_default() != 0;
    let found = kind.find(&ctx.turn.node.dialogs, id);
    ctx.loaded = found.filter(|dialog| !active_only || dialog.is_active()).map(|it| it.key());
    Called::Value(if ctx.loaded.is_some() { 1 } else { -1 })
}

pub(super) fn unload_dialog_ctx(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    Called::Value(if ctx.loaded.take().is_some() { 1 } else { -1 })
}

pub(super) fn check_kind(index: usize, text: &str) -> Result<(), String> {
    if index != 1 || text.contains('$') || Kind::named(text.as_bytes()).is_some() {
        return Ok(());
    }
    Err("a dialog is looked up by \"callid\" or \"did\"".to_owned())
}
