//! `cache_store()` and its family: values kept beyond one message (spec/script.md §11).
//!
//! 1 is done, −1 failed (no such store, no key, a text where a number is needed), −2 means that the
//! key is not there.

use std::sync::Arc;

use duologue_script::{Args, Called, Value};

use crate::cachedb::{CacheDb, CacheError, Cell};
use crate::context::Context;

/// What a key that is not there gives.
const NOT_FOUND: Called = Called::Value(-2);
const FAILED: Called = Called::Value(-1);
const DONE: Called = Called::Value(1);

/// How many rows of an answer to `cache_raw_query()` are taken.
const ROWS_MAX: usize = 1000;

pub(super) fn store(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(Asked { store, key }) = asked(ctx, args) else { return FAILED };
    let (Some(value), Some(lifetime)) = (args.str(2), lifetime(args, 3)) else { return FAILED };
    match store.store(ctx.turn.now, key, value, lifetime) {
        Ok(()) => DONE,
        Err(error) => refused(ctx, "cache_store", &error),
    }
}

pub(super) fn remove(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(Asked { store, key }) = asked(ctx, args) else { return FAILED };
    match store.remove(ctx.turn.now, key) {
        Ok(()) => DONE,
        Err(error) => refused(ctx, "cache_remove", &error),
    }
}

pub(super) fn fetch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(Asked { store, key }) = asked(ctx, args) else { return FAILED };
    match store.fetch(ctx.turn.now, key) {
        Ok(Some(value)) => stored(args.store(ctx, 2, Value::Str(&value)).is_ok()),
        Ok(None) => NOT_FOUND,
        Err(error) => refused(ctx, "cache_fetch", &error),
    }
}

pub(super) fn counter_fetch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(Asked { store, key }) = asked(ctx, args) else { return FAILED };
    match store.counter(ctx.turn.now, key) {
        Ok(Some(number)) => stored(args.store(ctx, 2, Value::Int(number)).is_ok()),
        Ok(None) => NOT_FOUND,
        Err(error) => refused(ctx, "cache_counter_fetch", &error),
    }
}

pub(super) fn add(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    count(ctx, args, "cache_add", 1)
}

pub(super) fn subtract(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    count(ctx, args, "cache_sub", -1)
}

fn count(ctx: &mut Context<'_>, args: &mut Args<'_>, name: &str, sign: i64) -> Called {
    let Some(Asked { store, key }) = asked(ctx, args) else { return FAILED };
    let (Some(by), Some(lifetime)) = (args.int(2), lifetime(args, 3)) else { return FAILED };
    match store.add(ctx.turn.now, key, sign * i64::from(by), lifetime) {
        Ok(sum) => stored(args.store(ctx, 4, Value::Int(sum)).is_ok()),
        Err(error) => refused(ctx, name, &error),
    }
}

/// `cache_raw_query(id, query [, "$avp(a);$avp(b)"])`: the columns of the answer go to the AVPs.
pub(super) fn raw_query(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(store) = args.str(0).and_then(|id| find(ctx, id)) else { return FAILED };
    let (Some(query), Ok(columns)) = (args.str(1), avps(args.str(2).unwrap_or_default())) else {
        return FAILED;
    };
    let rows = match store.query(ctx.turn.now, query) {
        Ok(rows) => rows,
        Err(error) => return refused(ctx, "cache_raw_query", &error),
    };
    if rows.is_empty() {
        return NOT_FOUND;
    }
    // Pushed from the end, so that index 0 is the first row.
    for row in rows.iter().take(ROWS_MAX).rev() {
        for (name, cell) in columns.iter().zip(row) {
            let value = match cell {
                Cell::Null => continue,
                Cell::Int(number) => Value::Int(*number),
                Cell::Str(text) => Value::Str(text),
            };
            if ctx.draft.avps.push(name, value).is_err() {
                return FAILED;
            }
        }
    }
    DONE
}

/// Checks literal arguments of all but `cache_raw_query()`.
pub(super) fn check(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 => check_id(text),
        1 if text.is_empty() => Err("a key is needed".to_owned()),
        _ => Ok(()),
    }
}

/// Checks literal arguments of `cache_raw_query()`.
pub(super) fn check_query(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 => check_id(text),
        2 => avps(text.as_bytes()).map(|_| ()),
        _ => Ok(()),
    }
}

fn check_id(text: &str) -> Result<(), String> {
    let engine = text.split(':').next().unwrap_or_default();
    if engine.is_empty() {
        Err("a store is named engine or engine:group, as local or redis:main".to_owned())
    } else {
        Ok(())
    }
}

/// What the first two arguments mean.
struct Asked<'a> {
    store: Arc<dyn CacheDb>,
    key: &'a [u8],
}

fn asked<'a>(ctx: &Context<'_>, args: &Args<'a>) -> Option<Asked<'a>> {
    let store = find(ctx, args.str(0)?)?;
    let key = args.str(1).filter(|key| !key.is_empty())?;
    Some(Asked { store, key })
}

fn find(ctx: &Context<'_>, id: &[u8]) -> Option<Arc<dyn CacheDb>> {
    let found = ctx.turn.node.caches.find(id);
    if found.is_none() {
        let id = String::from_utf8_lossy(id);
        tracing::warn!(call_id = %ctx.turn.call_id(), "there is no cache {id}");
    }
    found.cloned()
}

/// Seconds; 0 or nothing is for ever. Outside `None`: negative.
fn lifetime(args: &Args<'_>, index: usize) -> Option<Option<u32>> {
    let seconds = u32::try_from(args.int(index).unwrap_or_default()).ok()?;
    Some((seconds > 0).then_some(seconds))
}

fn stored(stored: bool) -> Called {
    if stored { DONE } else { FAILED }
}

fn refused(ctx: &Context<'_>, name: &str, error: &CacheError) -> Called {
    tracing::warn!(call_id = %ctx.turn.call_id(), "{name}(): {error}");
    FAILED
}

/// `$avp(a);$avp(b)`: the names of the AVPs.
fn avps(text: &[u8]) -> Result<Vec<&[u8]>, String> {
    let items = text.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    items
        .filter(|item| !item.is_empty())
        .map(|item| {
            let name = item.strip_prefix(b"$avp(").and_then(|rest| rest.strip_suffix(b")"));
            name.filter(|name| !name.is_empty() && !name.iter().any(|byte| b"$()".contains(byte)))
                .ok_or_else(|| "the answer goes to AVPs, written \"$avp(a);$avp(b)\"".to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §11, `cache_raw_query`.
    #[test]
    fn the_columns_of_an_answer_are_avps() {
        assert_eq!(avps(b""), Ok(vec![]));
        assert_eq!(avps(b"$avp(a); $avp(bc) ;"), Ok(vec![&b"a"[..], &b"bc"[..]]));
        for bad in ["$var(a)", "avp(a)", "$avp()", "$avp(a", "$avp($var(x))", "$avp(a),$avp(b)"] {
            assert!(avps(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    /// spec/script.md §11: id = `engine[:group]`; an empty key fails.
    #[test]
    fn literals_are_checked_at_load() {
        for good in ["local", "local:g", "redis:main"] {
            assert_eq!(check(0, good), Ok(()));
            assert_eq!(check_query(0, good), Ok(()));
        }
        assert!(check(0, "").is_err());
        assert!(check(0, ":g").is_err());
        assert!(check(1, "").is_err());
        assert_eq!(check(1, "k"), Ok(()));
        assert_eq!(check(2, ""), Ok(()));
        assert!(check_query(2, "$var(x)").is_err());
    }
}
