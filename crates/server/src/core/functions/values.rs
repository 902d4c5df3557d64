//! Values that are made for a variable (spec/script.md §11).

use duologue_script::{Args, Called, Value};

use super::yes_or_no;
use crate::context::Context;
use crate::target::URI_MAX;

/// Assigns an expanded text to a variable.
pub(super) fn pv_printf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(text) = args.str(1) else { return Called::Value(-1) };
    yes_or_no(args.store(ctx, 0, Value::Str(text)).is_ok())
}

/// `construct_uri(proto, [user], domain, [port], [extra], $avp)`.
pub(super) fn construct_uri(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let part = |i: usize| args.str(i).filter(|part| !part.is_empty());
    let (Some(proto), Some(domain)) = (part(0), part(2)) else { return Called::Value(-1) };
    let uri = uri(proto, part(1), domain, part(3), part(4));
    if uri.len() > URI_MAX {
        return Called::Value(-1);
    }
    yes_or_no(args.store(ctx, 5, Value::Str(&uri)).is_ok())
}

fn uri(
    proto: &[u8],
    user: Option<&[u8]>,
    domain: &[u8],
    port: Option<&[u8]>,
    extra: Option<&[u8]>,
) -> Vec<u8> {
    let mut uri = [proto, b":"].concat();
    if let Some(user) = user {
        uri.extend_from_slice(user);
        uri.push(b'@');
    }
    uri.extend_from_slice(domain);
    for (separator, part) in [(b':', port), (b';', extra)] {
        if let Some(part) = part {
            uri.push(separator);
            uri.extend_from_slice(part);
        }
    }
    uri
}

/// `get_timestamp($avp(sec), $avp(usec))`: the time as `$Ts` and `$Tsm` tell it, both at once.
pub(super) fn get_timestamp(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let now = ctx.turn.now;
    let Ok(seconds) = i32::try_from(now.unix) else { return Called::Value(-1) };
    let micros = micros_of_second(now);
    let stored = args.store(ctx, 0, Value::Int(seconds)).is_ok()
        && args.store(ctx, 1, Value::Int(micros)).is_ok();
    yes_or_no(stored)
}

/// The microseconds within the second. The clock of a turn tells milliseconds.
pub(in crate::core) fn micros_of_second(now: duologue_sip::Moment) -> i32 {
    i32::try_from(now.tick.as_millis() % 1000 * 1000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §11.
    #[test]
    fn uris_are_put_together() {
        let show = |user, port, extra| {
            String::from_utf8(uri(b"sip", user, b"example.com", port, extra)).unwrap()
        };
        assert_eq!(show(None, None, None), "sip:example.com");
        assert_eq!(
            show(Some(b"bob"), Some(b"5070"), Some(b"transport=udp;lr")),
            "sip:bob@example.com:5070;transport=udp;lr"
        );
    }
}
