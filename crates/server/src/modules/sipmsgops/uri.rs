//! The Request-URI and URIs in general.

use duologue_script::{Args, Called};
use duologue_sip::{Params, Scheme, Uri};

use super::yes_or_no;
use crate::context::Context;
use crate::target::URI_MAX;

pub(super) fn ruri_add_param(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_uri(ctx, args, |uri, param| {
        let param = [b";", param.strip_prefix(b";").unwrap_or(param)].concat();
        uri.rewrite().add_params(&param).to_vec()
    })
}

pub(super) fn ruri_del_param(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_uri(ctx, args, |uri, name| uri.rewrite().without_param(name).to_vec())
}

/// Replaces the Request-URI by what `make` makes of it and the argument, if that is a URI.
fn edit_uri(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    make: impl FnOnce(&Uri<'_>, &[u8]) -> Vec<u8>,
) -> Called {
    let uri = ctx.request_uri().and_then(|uri| Uri::parse(uri).ok());
    let (Some(uri), Some(argument)) = (uri, args.str(0).filter(|text| !text.is_empty())) else {
        return Called::Value(-1);
    };
    let made = make(&uri, argument);
    let valid = made.len() <= URI_MAX && Uri::parse(&made).is_ok();
    if valid {
        ctx.draft.target.uri = Some(made);
    }
    yes_or_no(valid)
}

pub(super) fn ruri_has_param(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let uri = ctx.request_uri().and_then(|uri| Uri::parse(uri).ok());
    let (Some(uri), Some(name)) = (uri, args.str(0)) else { return Called::Value(-1) };
    yes_or_no(has_param(uri.params(), name, args.str(1)))
}

pub(super) fn is_uri_user_e164(_: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let uri = args.str(0).and_then(|uri| Uri::parse(uri).ok());
    yes_or_no(uri.and_then(|uri| uri.user()).is_some_and(is_e164))
}

/// A telephone number as a SIP URI in the domain of the caller (RFC 3261 §19.1.6); other URIs stay.
pub(super) fn ruri_tel2sip(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let Some(uri) = ctx.request_uri().and_then(|uri| Uri::parse(uri).ok()) else {
        return Called::Value(-1);
    };
    if uri.scheme() != Scheme::Tel {
        return Called::Value(1);
    }
    let from = ctx.message.from().ok();
    let domain = from.and_then(|from| from.uri().ok()).map(|from| from.host());
    let made = domain.and_then(|domain| tel_to_sip(&uri, domain));
    let changed = made.is_some();
    if changed {
        ctx.draft.target.uri = made;
    }
    yes_or_no(changed)
}

/// The number and its parameters become the user; separators for the eye are left out.
fn tel_to_sip(tel: &Uri<'_>, domain: &[u8]) -> Option<Vec<u8>> {
    let number = tel.user().filter(|_| !domain.is_empty())?;
    let digits = number.iter().copied().filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'));
    let mut made = b"sip:".to_vec();
    made.extend(digits);
    made.extend_from_slice(tel.params().as_bytes());
    made.push(b'@');
    made.extend_from_slice(domain);
    made.extend_from_slice(b";user=phone");
    (made.len() <= URI_MAX && Uri::parse(&made).is_ok()).then_some(made)
}

/// A plus sign and 2 to 15 digits.
fn is_e164(user: &[u8]) -> bool {
    user.strip_prefix(b"+").is_some_and(|digits| {
        (2..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
    })
}

fn has_param(params: Params<'_>, name: &[u8], value: Option<&[u8]>) -> bool {
    match (params.param(name), value) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(param), Some(value)) => param.value.unwrap_or_default() == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_parameters() {
        assert!(is_e164(b"+4312"));
        for bad in [&b"4312"[..], b"+1", b"+1234567890123456", b"+12a"] {
            assert!(!is_e164(bad));
        }
        let params = Params::of_uri(b";lr;x=y");
        assert!(has_param(params, b"lr", None));
        assert!(has_param(params, b"X", Some(b"y")));
        assert!(!has_param(params, b"x", Some(b"z")));
        assert!(!has_param(params, b"q", None));
    }

    /// RFC 3261 §19.1.6.
    #[test]
    fn telephone_numbers_become_users() {
        let sip = |tel: &str, domain: &str| {
            let made = tel_to_sip(&Uri::parse(tel.as_bytes()).unwrap(), domain.as_bytes())?;
            String::from_utf8(made).ok()
        };
        let wanted = "sip:+3585551234567;postd=pp22@foo.com;user=phone";
        assert_eq!(sip("tel:+358-555-1234567;postd=pp22", "foo.com").as_deref(), Some(wanted));
        assert_eq!(sip("tel:(01)23.4", "h").as_deref(), Some("sip:01234@h;user=phone"));
        assert_eq!(sip("tel:+1", ""), None);
    }
}
