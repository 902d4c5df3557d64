//! `$T_fr_timeout` and `$T_fr_inv_timeout` (spec/modules.md §1.6): how long this transaction waits.

use std::time::Duration;

use duologue_script::{Assign, Reading, Text, Value, VarAccess, WriteError};
use duologue_transaction::{Settings, Transaction};

use super::{TmSettings, current};
use crate::context::{Context, Draft};

/// One of the two waits: where its default stands, where it is kept until there is a transaction,
/// and how the transaction has it.
struct Wait {
    default: fn(&Settings) -> Duration,
    drafted: fn(&mut Draft) -> &mut Option<u32>,
    get: fn(&Transaction) -> Duration,
    set: fn(&mut Transaction, Duration),
}

const FR: Wait = Wait {
    default: |settings| settings.fr_timeout,
    drafted: |draft| &mut draft.timeouts.0,
    get: Transaction::fr_timeout,
    set: Transaction::set_fr_timeout,
};

const FR_INV: Wait = Wait {
    default: |settings| settings.fr_inv_timeout,
    drafted: |draft| &mut draft.timeouts.1,
    get: Transaction::fr_inv_timeout,
    set: Transaction::set_fr_inv_timeout,
};

pub(super) fn fr(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    FR.read(ctx)
}

pub(super) fn fr_inv(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    FR_INV.read(ctx)
}

pub(super) fn set_fr(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    FR.write(ctx, value)
}

pub(super) fn set_fr_inv(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    FR_INV.write(ctx, value)
}

impl Wait {
    fn default(&self, ctx: &Context<'_>) -> Duration {
        (self.default)(&ctx.turn.node.settings::<TmSettings>().transactions)
    }

    fn read(&self, ctx: &mut Context<'_>) -> Reading {
        let transaction = current(ctx).and_then(|id| ctx.turn.body.transactions.get(id));
        let span = transaction.map(|entry| (self.get)(&entry.transaction));
        let default = span.unwrap_or_else(|| self.default(ctx)).as_secs();
        let seconds = (self.drafted)(&mut ctx.draft).map_or(default, u64::from);
        Reading::Int(i32::try_from(seconds).unwrap_or(i32::MAX))
    }

    /// NULL brings the default back.
    fn write(&self, ctx: &mut Context<'_>, value: Value<'_>) -> Result<(), WriteError> {
        let seconds = positive(value)?;
        let span = seconds.map_or_else(|| self.default(ctx), |it| Duration::from_secs(it.into()));
        *(self.drafted)(&mut ctx.draft) = seconds;
        if let Some(entry) = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get_mut(id)) {
            (self.set)(&mut entry.transaction, span);
        }
        Ok(())
    }
}

fn positive(value: Value<'_>) -> Result<Option<u32>, WriteError> {
    match value {
        Value::Null => Ok(None),
        value => {
            let number = value.int().and_then(|number| u32::try_from(number).ok());
            number.filter(|&number| number > 0).map(Some).ok_or(WriteError::BadValue)
        }
    }
}
