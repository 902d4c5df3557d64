//! `$challenge.*`: what a reply asks credentials for (spec/script.md §8).

use duologue_script::{Reading, Text, VarAccess};
use duologue_sip::HeaderName;

use super::view::{on_message, some};
use crate::context::Context;

/// Getters for parameters of the challenge.
macro_rules! parameters {
    ($($name:ident = $param:literal;)*) => {$(
        pub(super) fn $name(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
            parameter(ctx, var, out, $param)
        }
    )*};
}

parameters! {
    algorithm = b"algorithm";
    realm = b"realm";
    nonce = b"nonce";
    opaque = b"opaque";
    qop = b"qop";
    cipher_key = b"ck";
    integrity_key = b"ik";
}

/// A parameter of the first challenge: WWW-Authenticate's if there is one, else Proxy-Authenticate's.
fn parameter(ctx: &Context<'_>, var: &VarAccess<'_>, out: &mut Text, name: &[u8]) -> Reading {
    on_message(ctx, var, |message| {
        let mut challenges = message
            .auths(HeaderName::WwwAuthenticate)
            .chain(message.auths(HeaderName::ProxyAuthenticate));
        let Some(challenge) = challenges.next().filter(|_| !message.is_request()) else {
            return Reading::Null;
        };
        match challenge.params().param(name) {
            Some(param) => some(out, Some(&param.unquoted())),
            None => Reading::Null,
        }
    })
}
