//! Raising events and subscribing to them (spec/script.md §11, §16).

use duologue_script::{Args, Called, Index, Reading, Text, VarAccess};

use super::yes_or_no;
use crate::context::Context;
use crate::core::EXPANSION_MAX;
use crate::events::{EVENT_NAME_MAX, EventParams, EventValue, check_socket};

/// `raise_event(name[, names][, values])`: the parameters stand in AVPs, the last one pushed first.
/// One list alone is that of the values, wherever it stands.
pub(super) fn raise(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(name) = args.str(0).and_then(|name| std::str::from_utf8(name).ok()) else {
        return Called::Value(-1);
    };
    let publisher = match ctx.turn.node.events.publish(name) {
        Ok(publisher) => publisher,
        Err(error) => {
            tracing::warn!(call_id = %ctx.turn.call_id(), "raise_event(\"{name}\"): {error}");
            return Called::Value(-1);
        }
    };
    if !publisher.is_heard() {
        return Called::Value(1);
    }
    let (names, values) = match (args.has(1), args.has(2)) {
        (true, false) => (None, Some(1)),
        (named, valued) => (named.then_some(1), valued.then_some(2)),
    };
    let params = match parameters(ctx, args, names, values) {
        Ok(params) => params,
        Err(reason) => {
            tracing::warn!(call_id = %ctx.turn.call_id(), "raise_event(\"{name}\"): {reason}");
            return Called::Value(-1);
        }
    };
    if params.is_too_large() {
        return Called::Value(-1);
    }
    publisher.raise_at(ctx.turn.now, |made| *made = params);
    Called::Value(1)
}

/// The parameters that two lists of AVPs give, pair by pair.
fn parameters(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    names: Option<usize>,
    values: Option<usize>,
) -> Result<EventParams, &'static str> {
    let mut params = EventParams::default();
    let (mut names, mut values) = (list(ctx, args, names)?, list(ctx, args, values)?);
    while let Some(value) = values.next(ctx) {
        let name = match (names.is_given(), names.next(ctx)) {
            (false, _) => None,
            (true, Some(EventValue::Text(name))) => Some(name),
            (true, Some(EventValue::Int(number))) => Some(number.to_string().into_bytes().into()),
            (true, None) => return Err("a value has no name"),
        };
        params.push(name.as_deref(), value);
        if params.is_too_large() {
            return Err("too many or too large parameters");
        }
    }
    if names.next(ctx).is_some() {
        tracing::warn!(call_id = %ctx.turn.call_id(), "raise_event(): a name has no value");
    }
    Ok(params)
}

/// The values of an AVP, read one by one and left where they are.
struct Avps<'a> {
    access: Option<VarAccess<'a>>,
    at: i32,
}

fn list<'a>(
    ctx: &Context<'_>,
    args: &Args<'a>,
    position: Option<usize>,
) -> Result<Avps<'a>, &'static str> {
    let Some(position) = position else { return Ok(Avps { access: None, at: 0 }) };
    let is_avp = |access: &VarAccess<'_>| {
        ctx.turn.node.catalog.variable(access.id).names.contains(&"avp") && access.name.is_some()
    };
    let access = args.variable(position).filter(is_avp);
    let access = access.ok_or("names and values are lists in AVPs")?;
    Ok(Avps { access: Some(access), at: 0 })
}

impl Avps<'_> {
    fn is_given(&self) -> bool {
        self.access.is_some()
    }

    fn next(&mut self, ctx: &mut Context<'_>) -> Option<EventValue> {
        let access = VarAccess { index: Index::At(self.at), ..self.access? };
        self.at += 1;
        let mut text = Text::new(EXPANSION_MAX);
        let read = ctx.turn.node.catalog.variable(access.id).read;
        match read(ctx, &access, &mut text) {
            Reading::Null => None,
            Reading::Int(number) => Some(EventValue::Int(number.into())),
            Reading::Str | Reading::StrInt(_) => Some(EventValue::Text(text.as_bytes().into())),
        }
    }
}

/// `subscribe_event(name, socket[, expire])`: for ever without an expiry in seconds, not at all with
/// one of 0.
pub(super) fn subscribe(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let text = |i| args.str(i).and_then(|text| std::str::from_utf8(text).ok());
    let (Some(name), Some(socket)) = (text(0), text(1)) else { return Called::Value(-1) };
    let Ok(expire) = args.int(2).map(u32::try_from).transpose() else { return Called::Value(-1) };
    let (events, now) = (&ctx.turn.node.events, ctx.turn.now);
    let known = events.publish(name).map_err(Into::into);
    let subscribed = known.and_then(|_| events.subscribe_socket(now, name, socket, expire));
    if let Err(error) = &subscribed {
        tracing::warn!("subscribe_event(\"{name}\", \"{socket}\"): {error}");
    }
    yes_or_no(subscribed.is_ok())
}

/// Checks the name of an event.
pub(super) fn check_name(index: usize, text: &str) -> Result<(), String> {
    if index == 0 && !is_computed(text) && !(1..=EVENT_NAME_MAX).contains(&text.len()) {
        return Err(format!("the name of an event has 1 to {EVENT_NAME_MAX} bytes"));
    }
    Ok(())
}

/// Checks name, socket and expiry; whether a module serves such sockets is known when all have
/// started.
pub(super) fn check_subscription(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 => check_name(0, text),
        1 if is_computed(text) => Ok(()),
        1 => check_socket(text).map(|_| ()).map_err(|error| error.to_string()),
        _ if text.starts_with('-') => Err("an expiry is a number of seconds from 0".to_owned()),
        _ => Ok(()),
    }
}

/// Whether a literal is only known when the script runs.
fn is_computed(text: &str) -> bool {
    text.contains('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_arguments_are_checked() {
        assert!(check_name(0, "E_X").is_ok());
        assert!(check_name(0, "").is_err());
        assert!(check_subscription(0, &"x".repeat(65)).is_err());
        assert!(check_subscription(1, "udp:127.0.0.1:8888").is_ok());
        assert!(check_subscription(1, "/tmp/socket").is_err());
        assert!(check_subscription(1, "$var(socket)").is_ok());
        assert!(check_subscription(2, "0").is_ok());
        assert!(check_subscription(2, "-1").is_err());
    }
}
