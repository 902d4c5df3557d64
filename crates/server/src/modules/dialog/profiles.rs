//! Profiles in scripts (spec/dialog.md §9).

use duologue_dialog::{LinkOrigin, Profile, ProfileDefinition};
use duologue_script::{Args, Called, Value};

use super::settings;
use crate::context::Context;
use crate::module::Parameters;

/// §9.2: one more link each time; with `clear`, in place of all others to that profile.
pub(super) fn set(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(profile), Some(dialog)) = (named(ctx, args), ctx.dialog()) else {
        return Called::Value(-1);
    };
    let value = args.str(1);
    let linked = match args.int(2) {
        None | Some(0) => dialog.set_profile(&profile, value, LinkOrigin::Own),
        Some(_) => dialog.replace_profile(&profile, value, LinkOrigin::Own),
    };
    match linked {
        Ok(()) => Called::Value(1),
        Err(error) => {
            tracing::warn!(did = %dialog.id(), "set_dlg_profile(): {error}");
            Called::Value(-1)
        }
    }
}

/// §9.2: one link with the value, or all without one.
pub(super) fn unset(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(profile), Some(dialog)) = (named(ctx, args), ctx.dialog()) else {
        return Called::Value(-1);
    };
    let unset = dialog.unset_profile(&profile, args.str(1)).unwrap_or_default();
    Called::Value(if unset > 0 { 1 } else { -1 })
}

pub(super) fn is_in(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(profile), Some(dialog)) = (named(ctx, args), ctx.dialog()) else {
        return Called::Value(-1);
    };
    let is_in = dialog.is_in_profile(&profile, args.str(1)) == Ok(true);
    Called::Value(if is_in { 1 } else { -1 })
}

/// §9.3.
pub(super) fn size(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(profile) = named(ctx, args) else { return Called::Value(-1) };
    let size = profile.size(args.str(1));
    let size = Value::Int(i32::try_from(size).unwrap_or(i32::MAX));
    Called::Value(if args.store(ctx, 2, size).is_ok() { 1 } else { -1 })
}

/// The profile that the first argument names.
pub(super) fn named(ctx: &Context<'_>, args: &Args<'_>) -> Option<Profile> {
    let name = std::str::from_utf8(args.str(0)?).ok()?;
    ctx.turn.node.dialogs.search_profile(name)
}

/// A profile that a script names has to be one of its own.
pub(super) fn check(parameters: &Parameters<'_>, index: usize, text: &str) -> Result<(), String> {
    if index != 0 {
        return Ok(());
    }
    let wanted = ProfileDefinition::parse(text).map_err(|error| error.to_string())?;
    // Definitions with mistakes are told elsewhere.
    let known = settings::profiles(parameters).unwrap_or_default();
    if wanted.choose(known.iter().map(|(definition, _)| definition)).is_some() {
        return Ok(());
    }
    let names: Vec<String> = known.iter().map(|(known, _)| known.to_string()).collect();
    Err(match &names[..] {
        [] => format!(
            "there is no profile \"{text}\": define it by profiles_with_value or profiles_no_value"
        ),
        names => format!("there is no profile \"{text}\", there are {}", names.join(", ")),
    })
}
