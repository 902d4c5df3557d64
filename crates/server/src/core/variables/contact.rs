//! Contact: whole values and their fields.

use duologue_script::{Reading, Text, VarAccess};
use duologue_sip::{HeaderError, HeaderName, NameAddr};

use super::view::{checked, indexed, indexed_or_missing, on_message};
use crate::context::Context;

/// `$ct`: one value, across lines and commas.
pub(super) fn whole(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    on_message(ctx, var, |message| {
        indexed(var.index, out, || message.values(HeaderName::Contact).map(|value| value.bytes))
    })
}

/// `$ct.fields(name)`: a part of one value; NULL if the value lacks it.
pub(super) fn fields(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(field) = field(var) else { return Reading::Null };
    checked(ctx, var, |message| {
        let values = || message.values(HeaderName::Contact).map(|value| value.bytes);
        // RFC 3261 §10.2.2: a lone `*` is no address.
        if values().any(|value| value != b"*" && NameAddr::parse(value).is_none()) {
            return Err(HeaderError::Malformed(HeaderName::Contact));
        }
        let part = |bytes| NameAddr::parse(bytes).and_then(|address| field.of(&address));
        Ok(indexed_or_missing(var.index, out, || values().map(part)))
    })
}

/// What may stand in the parentheses of `$ct.fields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Uri,
    Params,
    Param(&'static str),
}

const FIELDS: [(&str, Field); 7] = [
    ("name", Field::Name),
    ("uri", Field::Uri),
    ("params", Field::Params),
    ("q", Field::Param("q")),
    ("expires", Field::Param("expires")),
    ("methods", Field::Param("methods")),
    ("received", Field::Param("received")),
];

impl Field {
    fn of<'b>(self, address: &NameAddr<'b>) -> Option<&'b [u8]> {
        match self {
            Self::Name => Some(address.display()),
            Self::Uri => Some(address.uri_bytes()),
            Self::Params => {
                let params = address.params().as_bytes();
                Some(params.strip_prefix(b";").unwrap_or(params))
            }
            Self::Param(name) => address.params().get(name.as_bytes()),
        }
    }
}

/// Numbers the field when the script loads.
pub(super) fn resolve(name: &str) -> Result<Option<u32>, String> {
    match (0u32..).zip(FIELDS).find(|(_, (known, _))| *known == name) {
        Some((key, _)) => Ok(Some(key)),
        None => {
            let known = FIELDS.map(|(known, _)| known).join(", ");
            Err(format!("a Contact has no \"{name}\": there are {known}"))
        }
    }
}

fn field(var: &VarAccess<'_>) -> Option<Field> {
    let found = match (var.key, var.name) {
        (Some(key), _) => FIELDS.get(usize::try_from(key).ok()?),
        (None, name) => FIELDS.iter().find(|(known, _)| Some(known.as_bytes()) == name),
    };
    found.map(|&(_, field)| field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_value() {
        let address = NameAddr::parse(b"\"A\" <sip:a@h;x>;q=0.5;expires=60").unwrap();
        for (name, expected) in [
            ("name", Some(&b"\"A\""[..])),
            ("uri", Some(b"sip:a@h;x")),
            ("params", Some(b"q=0.5;expires=60")),
            ("q", Some(b"0.5")),
            ("expires", Some(b"60")),
            ("methods", None),
        ] {
            let key = resolve(name).unwrap().unwrap();
            assert_eq!(FIELDS[key as usize].1.of(&address), expected, "{name}");
        }
        assert!(resolve("tag").unwrap_err().contains("expires"));
    }
}
