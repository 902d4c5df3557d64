//! `sr_check_status()`: how ready a part of the program is (spec/script.md §11, §15.4).

use duologue_script::{Args, Called};

use crate::context::Context;
use crate::readiness::{CORE, MAIN, Readiness};

/// Above 0 if the program is ready for new calls, below 0 if it ends as soon as those it has are
/// over; −1 for what nobody reports.
pub(super) fn check(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let core = args.str(0).is_some_and(|group| group == CORE.as_bytes());
    let main = args.str(1).is_none_or(is_main);
    let status = || Readiness::of(ctx.turn.node).status();
    Called::Value(if core && main { status() } else { -1 })
}

pub(super) fn check_name(index: usize, text: &str) -> Result<(), String> {
    match index {
        _ if text.contains('$') => Ok(()),
        0 if text != CORE => {
            Err(format!("nobody reports as \"{text}\": there is \"{CORE}\", the program itself"))
        }
        1 if !is_main(text.as_bytes()) => {
            Err(format!("\"{CORE}\" has no \"{text}\": there is \"{MAIN}\""))
        }
        _ => Ok(()),
    }
}

fn is_main(identifier: &[u8]) -> bool {
    identifier.is_empty() || identifier == MAIN.as_bytes()
}
