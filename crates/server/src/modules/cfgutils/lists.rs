//! Variables with several values: counting, choosing and mixing them.

use duologue_script::limits::AVPS_MAX;
use duologue_script::{Args, Called, Index, Reading, Text, Value, VarAccess};

use super::{settings, yes_or_no};
use crate::context::Context;
use crate::core::EXPANSION_MAX;

/// `set_count(source, result)`: how many values a variable has.
pub(super) fn count(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let mut text = Text::new(EXPANSION_MAX);
    let count = match args.variable(0) {
        Some(access) => values(ctx, &access, &mut text),
        // A variable of the language: one value or none.
        None => usize::from(args.load(ctx, 0, &mut text) != Reading::Null),
    };
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    yes_or_no(args.store(ctx, 1, Value::Int(count)).is_ok())
}

fn values(ctx: &mut Context<'_>, access: &VarAccess<'_>, text: &mut Text) -> usize {
    let variable = ctx.turn.node.catalog.variable(access.id);
    if is_avp(ctx, access) {
        return access.name.map_or(0, |name| ctx.draft.avps.values(name).count());
    }
    let mut has = |index| {
        text.clear();
        let access = VarAccess { index, ..*access };
        (variable.read)(ctx, &access, text) != Reading::Null
    };
    if !variable.indexed {
        return usize::from(has(Index::None));
    }
    let most = i32::try_from(AVPS_MAX).unwrap_or(i32::MAX);
    (0..most).take_while(|&index| has(Index::At(index))).count()
}

fn is_avp(ctx: &Context<'_>, access: &VarAccess<'_>) -> bool {
    ctx.turn.node.catalog.variable(access.id).names.contains(&"avp")
}

/// `set_select_weight(avp)`: the index of one of the values, each as often as its share of their
/// sum; −1 if there is none to choose.
pub(super) fn pick(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(name) = avp_name(ctx, args) else { return Called::Value(-1) };
    let weight = |value: Value<'_>| match value {
        Value::Str(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        value => value.int(),
    };
    let weights: Option<Vec<i32>> = ctx.draft.avps.values(name).map(weight).collect();
    let picked = weights.and_then(|weights| settings(ctx).random.pick(&weights));
    Called::Value(picked.and_then(|index| i32::try_from(index).ok()).unwrap_or(-1))
}

/// `shuffle_avps(avp)`: the same values in another order.
pub(super) fn shuffle(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(name) = avp_name(ctx, args) else { return Called::Value(-1) };
    let random = &settings(ctx).random;
    let avps = &mut ctx.draft.avps;
    let mut values: Vec<Kept> = avps.values(name).filter_map(Kept::of).collect();
    random.shuffle(&mut values);
    avps.remove_all(name);
    let kept = values.iter().all(|value| avps.push(name, value.borrow()).is_ok());
    yes_or_no(kept && !values.is_empty())
}

fn avp_name<'a>(ctx: &Context<'_>, args: &Args<'a>) -> Option<&'a [u8]> {
    let access = args.variable(0)?;
    access.name.filter(|_| is_avp(ctx, &access))
}

enum Kept {
    Int(i32),
    Str(Vec<u8>),
}

impl Kept {
    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Int(number) => Some(Self::Int(number)),
            Value::Str(text) | Value::StrInt(text, _) => Some(Self::Str(text.to_vec())),
        }
    }

    fn borrow(&self) -> Value<'_> {
        match self {
            Self::Int(number) => Value::Int(*number),
            Self::Str(text) => Value::Str(text),
        }
    }
}
