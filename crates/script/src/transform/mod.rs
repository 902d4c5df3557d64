//! Transformations that need nothing but text (spec §9).

mod codec;
mod lists;
mod strings;
mod substitution;

pub(crate) use substitution::Substitution;

use crate::value::{Reading, Text, Value};

/// A transformation of the language itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    Len,
    Int,
    Crc32,
    Substr,
    Select,
    Index,
    Rindex,
    ToLower,
    ToUpper,
    Reverse,
    Trim,
    TrimLeft,
    TrimRight,
    EncodeHexa,
    DecodeHexa,
    DecToHex,
    HexToDec,
    Base64Encode,
    Base64Decode,
    EscapeCommon,
    UnescapeCommon,
    EscapeUser,
    EscapeParam,
    Unescape,
    FillLeft,
    FillRight,
    Width,
    Xor,
    ParamValue,
    ParamExist,
    ParamValueAt,
    ParamName,
    ParamCount,
    CsvCount,
    CsvValue,
}

/// Name, operation, least and most arguments.
const TABLE: [(&str, BuiltIn, usize, usize); 36] = {
    use BuiltIn::*;
    [
        ("s.len", Len, 0, 0),
        ("s.int", Int, 0, 0),
        ("s.crc32", Crc32, 0, 0),
        ("s.substr", Substr, 2, 2),
        ("s.select", Select, 2, 2),
        ("s.index", Index, 1, 2),
        ("s.rindex", Rindex, 1, 2),
        ("s.tolower", ToLower, 0, 0),
        ("s.toupper", ToUpper, 0, 0),
        ("s.reverse", Reverse, 0, 0),
        ("s.trim", Trim, 0, 0),
        ("s.triml", TrimLeft, 0, 0),
        ("s.trimr", TrimRight, 0, 0),
        ("s.encode.hexa", EncodeHexa, 0, 0),
        ("s.decode.hexa", DecodeHexa, 0, 0),
        ("s.dec2hex", DecToHex, 0, 0),
        ("s.hex2dec", HexToDec, 0, 0),
        ("s.b64encode", Base64Encode, 0, 0),
        ("s.b64decode", Base64Decode, 0, 0),
        ("s.escape.common", EscapeCommon, 0, 0),
        ("s.unescape.common", UnescapeCommon, 0, 0),
        ("s.escape.user", EscapeUser, 0, 0),
        ("s.unescape.user", Unescape, 0, 0),
        ("s.escape.param", EscapeParam, 0, 0),
        ("s.unescape.param", Unescape, 0, 0),
        ("s.fill.left", FillLeft, 2, 2),
        ("s.fill.right", FillRight, 2, 2),
        ("s.width", Width, 1, 1),
        ("s.xor", Xor, 1, 1),
        ("param.value", ParamValue, 1, 1),
        ("param.exist", ParamExist, 1, 1),
        ("param.valueat", ParamValueAt, 1, 1),
        ("param.name", ParamName, 1, 1),
        ("param.count", ParamCount, 0, 0),
        ("csv.count", CsvCount, 0, 0),
        ("csv.value", CsvValue, 1, 1),
    ]
};

/// The transformations of the language's own, which need no host: `s.len`, ….
pub fn own_transformations() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, ..)| *name)
}

impl BuiltIn {
    /// Whether the language knows this operation, though neither this crate nor the host has it.
    /// Digests, `uri.` and `nameaddr.` come from the host, which knows SIP.
    pub(crate) fn is_planned(name: &str) -> bool {
        const CLASSES: [&str; 5] = ["uri.", "via.", "nameaddr.", "sdp.", "ip."];
        const STRINGS: [&str; 3] = ["s.md5", "s.date2unix", "s.sha"];
        CLASSES.iter().chain(&STRINGS).any(|known| name.starts_with(known))
    }

    /// The operation with this full name, with its least and most arguments.
    pub(crate) fn find(name: &str) -> Option<(Self, usize, usize)> {
        TABLE.iter().find(|row| row.0 == name).map(|row| (row.1, row.2, row.3))
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.0)
    }

    /// Appends the result to `out`.
    pub(crate) fn apply(self, input: &[u8], args: &[Value<'_>], out: &mut Text) -> Reading {
        let int = |at: usize| args.get(at).and_then(Value::int);
        let text = |at: usize| args.get(at).and_then(Value::text).unwrap_or_default();
        let done = |found: Option<()>| found.map_or(Reading::Null, |()| Reading::Str);
        let part = |found: Option<&[u8]>, out: &mut Text| {
            found.map_or(Reading::Null, |part| {
                out.push(part);
                Reading::Str
            })
        };
        match self {
            Self::Len => Reading::Int(i32::try_from(input.len()).unwrap_or(i32::MAX)),
            Self::Int => Reading::Int(strings::leading_int(input)),
            Self::Crc32 => {
                out.push_int(i64::from(codec::crc32(input)));
                Reading::Str
            }
            Self::Substr => {
                let (Some(offset), Some(len)) = (int(0), int(1)) else { return Reading::Null };
                part(strings::substr(input, offset, len), out)
            }
            Self::Select => {
                let (Some(index), [separator, ..]) = (int(0), text(1)) else {
                    return Reading::Null;
                };
                part(strings::select(input, index, *separator), out)
            }
            Self::Index => strings::index(input, text(0), int(1)),
            Self::Rindex => strings::rindex(input, text(0), int(1)),
            Self::ToLower => strings::each(input, out, |b| b.to_ascii_lowercase()),
            Self::ToUpper => strings::each(input, out, |b| b.to_ascii_uppercase()),
            Self::Reverse => {
                input.iter().rev().for_each(|&byte| out.push_byte(byte));
                Reading::Str
            }
            Self::Trim => part(Some(strings::trim_left(strings::trim_right(input))), out),
            Self::TrimLeft => part(Some(strings::trim_left(input)), out),
            Self::TrimRight => part(Some(strings::trim_right(input)), out),
            Self::EncodeHexa => {
                codec::hex(input, out);
                Reading::Str
            }
            Self::DecodeHexa => done(codec::unhex(input, out)),
            Self::DecToHex => {
                codec::dec_to_hex(strings::leading_int(input), out);
                Reading::Str
            }
            Self::HexToDec => codec::hex_to_dec(input).map_or(Reading::Null, Reading::Int),
            Self::Base64Encode => {
                codec::base64(input, out);
                Reading::Str
            }
            Self::Base64Decode => done(codec::unbase64(input, out)),
            Self::EscapeCommon => strings::escape_common(input, out),
            Self::UnescapeCommon => strings::unescape_common(input, out),
            Self::EscapeUser => codec::percent(input, b"-_.!~*'()&=+$,;?/", out),
            Self::EscapeParam => codec::percent(input, b"-_.!~*'()[]/:&+$", out),
            Self::Unescape => done(codec::unpercent(input, out)),
            Self::FillLeft | Self::FillRight => {
                let Some(len) = int(1).and_then(|n| usize::try_from(n).ok()) else {
                    return Reading::Null;
                };
                strings::fill(input, text(0), len, self == Self::FillLeft, out)
            }
            Self::Width => {
                let len = int(0).and_then(|n| usize::try_from(n).ok()).filter(|n| *n >= 1);
                len.map_or(Reading::Null, |len| strings::width(input, len, out))
            }
            Self::Xor => strings::xor(input, text(0), out),
            // An empty input is an error for all but `s.`.
            _ if input.is_empty() => Reading::Null,
            Self::ParamValue => part(lists::param_value(input, text(0)), out),
            Self::ParamExist => {
                Reading::Int(i32::from(lists::param_value(input, text(0)).is_some()))
            }
            Self::ParamValueAt => {
                part(int(0).and_then(|n| lists::param_at(input, n)).map(|p| p.1), out)
            }
            Self::ParamName => {
                part(int(0).and_then(|n| lists::param_at(input, n)).map(|p| p.0), out)
            }
            Self::ParamCount => Reading::Int(lists::params(input).count() as i32),
            Self::CsvCount => Reading::Int(lists::csv(input).count() as i32),
            Self::CsvValue => done(int(0).and_then(|n| lists::csv_value(input, n, out))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(name: &str, input: &str, args: &[&str]) -> String {
        let (op, least, most) = BuiltIn::find(name).unwrap();
        assert!((least..=most).contains(&args.len()), "{name}");
        let args: Vec<Value<'_>> = args
            .iter()
            .map(|a| match a.parse() {
                Ok(n) => Value::StrInt(a.as_bytes(), n),
                Err(_) => Value::Str(a.as_bytes()),
            })
            .collect();
        let mut out = Text::new(1000);
        let text = |out: &Text| String::from_utf8_lossy(out.as_bytes()).into_owned();
        match op.apply(input.as_bytes(), &args, &mut out) {
            Reading::Null => "NULL".to_owned(),
            Reading::Int(n) => format!("#{n}"),
            Reading::Str => text(&out),
            Reading::StrInt(n) => format!("{}#{n}", text(&out)),
        }
    }

    #[test]
    fn section_9_1_strings() {
        for (name, input, args, wanted) in [
            ("s.len", "abc", &[] as &[&str], "#3"),
            ("s.len", "", &[], "#0"),
            ("s.int", "-12ab", &[], "#-12"),
            ("s.int", "ab", &[], "#0"),
            ("s.crc32", "123456789", &[], "3421780262"),
            ("s.substr", "abcdef", &["1", "2"], "bc"),
            ("s.substr", "abcdef", &["-2", "0"], "ef"),
            ("s.substr", "abcdef", &["1", "-1"], "bcde"),
            ("s.substr", "abcdef", &["4", "99"], "ef"),
            ("s.substr", "abcdef", &["6", "1"], "NULL"),
            ("s.substr", "abcdef", &["-7", "1"], "NULL"),
            ("s.select", "a,b,,d", &["1", ","], "b"),
            ("s.select", "a,b,,d", &["2", ","], ""),
            ("s.select", "a,b,,d", &["-1", ","], "d"),
            ("s.select", "a,b,,d", &["4", ","], "NULL"),
            ("s.index", "abcabc", &["c"], "#2"),
            ("s.index", "abcabc", &["c", "3"], "#5"),
            ("s.index", "abcabc", &["c", "-2"], "#5"),
            ("s.index", "abcabc", &["x"], "NULL"),
            ("s.rindex", "abcabc", &["b"], "#4"),
            ("s.rindex", "abcabc", &["b", "3"], "#1"),
            ("s.tolower", "AbC", &[], "abc"),
            ("s.toupper", "AbC", &[], "ABC"),
            ("s.reverse", "abc", &[], "cba"),
            ("s.trim", " \ta b\r\n", &[], "a b"),
            ("s.triml", " a ", &[], "a "),
            ("s.trimr", " a ", &[], " a"),
            ("s.encode.hexa", "Az", &[], "417a"),
            ("s.decode.hexa", "417a", &[], "Az"),
            ("s.decode.hexa", "4x", &[], "NULL"),
            ("s.dec2hex", "255", &[], "ff"),
            ("s.hex2dec", "0xff", &[], "#255"),
            ("s.b64encode", "hello", &[], "aGVsbG8="),
            ("s.b64decode", "aGVsbG8=", &[], "hello"),
            ("s.escape.common", "a'b\\", &[], "a\\'b\\\\"),
            ("s.unescape.common", "a\\'b\\\\", &[], "a'b\\"),
            ("s.escape.user", "a@b", &[], "a%40b"),
            ("s.unescape.user", "a%40b", &[], "a@b"),
            ("s.escape.param", "a;b c", &[], "a%3bb%20c"),
            ("s.unescape.param", "a%3Bb%20c", &[], "a;b c"),
            ("s.unescape.param", "a%3", &[], "NULL"),
            ("s.fill.left", "7", &["0", "3"], "007"),
            ("s.fill.right", "7", &["ab", "4"], "7aba"),
            ("s.fill.left", "7777", &["0", "3"], "7777"),
            ("s.width", "abc", &["5"], "abc  "),
            ("s.width", "abc", &["2"], "ab"),
            // The case of letters is one bit; the secret begins again when it ends.
            ("s.xor", "abc", &[" "], "ABC"),
            ("s.xor", "AbC1", &[" \0"], "abc1"),
            ("s.xor", "abc", &[""], "NULL"),
        ] {
            assert_eq!(apply(name, input, args), wanted, "{{{name}}} of {input:?} with {args:?}");
        }
    }

    #[test]
    fn section_9_2_parameters_and_csv() {
        for (name, input, args, wanted) in [
            ("param.value", "a=1;b;C=\"x\"", &["c"] as &[&str], "x"),
            ("param.value", "a=1;b", &["b"], ""),
            ("param.value", "a=1;b", &["z"], "NULL"),
            ("param.exist", "a=1;b", &["B"], "#1"),
            ("param.exist", "a=1;b", &["z"], "#0"),
            ("param.valueat", "a=1;b=2", &["-1"], "2"),
            ("param.name", "a=1;b=2", &["1"], "b"),
            ("param.name", "a=1;b=2", &["2"], "NULL"),
            ("param.count", "a=1;b;c=\"x;y\"", &[], "#3"),
            ("param.value", "", &["a"], "NULL"),
            ("csv.count", "a,\"b,c\",d", &[], "#3"),
            ("csv.value", "a,\"b\"\"c\",d", &["1"], "b\"c"),
            ("csv.value", "a,b", &["-1"], "b"),
            ("csv.value", "a,b", &["2"], "NULL"),
        ] {
            assert_eq!(apply(name, input, args), wanted, "{{{name}}} of {input:?} with {args:?}");
        }
    }
}
