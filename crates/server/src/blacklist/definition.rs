//! `dst_blacklist` as scripts write it (spec/script.md §2.3):
//! `id[/flag,flag] [: { rule, … } | rule]`, a rule being
//! `[!]([proto,] ipnet [, port [, "pattern"]])`.

use std::net::IpAddr;

use bitflags::bitflags;

use super::{RULES_MAX, Rule};
use crate::sockets::Proto;

/// The longest pattern of a rule in bytes.
const PATTERN_MAX: usize = 256;

bitflags! {
    /// The flags of a list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// Its rules may have an end.
        const EXPIRE = 1;
        /// It holds for every message that does not refuse it.
        const DEFAULT = 2;
        /// Its rules stay as the script wrote them.
        const READONLY = 4;
    }
}

/// A list as the script wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its flags; read-only if none was given.
    pub flags: Flags,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// Reads a definition.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(text: &str) -> Result<Definition, String> {
    let text = without_comments(text);
    let (head, rules) = match text.split_once(':') {
        Some((head, rules)) => (head, Some(rules)),
        None => (text.as_str(), None),
    };
    let (name, words) = match head.split_once('/') {
        Some((name, words)) => (name, Some(words)),
        None => (head, None),
    };
    let name = name.trim().trim_matches('"');
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "(){},\"".contains(c)) {
        return Err("a blacklist needs a name: `dst_blacklist = name: { (…), (…) }`".to_owned());
    }
    let mut flags = Flags::empty();
    for word in words.into_iter().flat_map(|words| words.split(',')) {
        flags |= match word.trim() {
            "expire" => Flags::EXPIRE,
            "default" => Flags::DEFAULT,
            "readonly" => Flags::READONLY,
            other => {
                return Err(format!("flags are expire, default and readonly, not `{other}`"));
            }
        };
    }
    if words.is_none() {
        flags = Flags::READONLY;
    }
    let rules = rules.map_or(Ok(Vec::new()), rule_list)?;
    Ok(Definition { name: name.to_owned(), flags, rules })
}

/// A rule as operators write it: `[!][proto,] ipnet [, port [, "pattern"]]`, with parentheses or
/// without.
///
/// # Errors
/// What is wrong with it, in words.
pub fn whole_rule(text: &str) -> Result<Rule, String> {
    let text = text.trim();
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let inside = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    Ok(Rule { negated, ..fields(inside.unwrap_or(text))? })
}

/// The rule of an address or a network alone, with `!` in front for all others.
///
/// # Errors
/// What is wrong with it, in words.
pub fn rule(net: &str) -> Result<Rule, String> {
    let net = net.trim();
    let (negated, net) = match net.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, net),
    };
    let net = network(net).ok_or_else(|| format!("`{net}` is no address and no network"))?;
    Ok(Rule { negated, proto: None, net, port: 0, pattern: Box::default(), expires: None })
}

/// `{ rule, … }` or one rule.
fn rule_list(text: &str) -> Result<Vec<Rule>, String> {
    let text = text.trim();
    let inside = match text.strip_prefix('{') {
        Some(inside) => inside.strip_suffix('}').ok_or("a `}` is missing")?,
        None => text,
    };
    let mut rules = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        let (negated, open) = match rest.strip_prefix('!') {
            Some(after) => (true, after.trim_start()),
            None => (false, rest),
        };
        let open = open.strip_prefix('(').ok_or_else(|| {
            let shown: String = open.chars().take(20).collect();
            format!("a rule begins with `(`, not with `{shown}`")
        })?;
        let close = outside_quotes(open, ')').ok_or("a `)` is missing")?;
        if rules.len() == RULES_MAX {
            return Err(format!("more than {RULES_MAX} rules"));
        }
        rules.push(Rule { negated, ..fields(&open[..close])? });
        rest = open[close + 1..].trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => {}
            None => return Err("a `,` is missing between two rules".to_owned()),
        }
    }
    Ok(rules)
}

/// `[proto,] ipnet [, port [, "pattern"]]`
fn fields(text: &str) -> Result<Rule, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some(comma) = outside_quotes(rest, ',') {
        fields.push(rest[..comma].trim());
        rest = &rest[comma + 1..];
    }
    fields.push(rest.trim());
    let proto = fields.first().and_then(|word| transport(word));
    let mut left = fields.iter().skip(usize::from(proto.is_some()));
    let mut made = rule(left.next().ok_or("a network is missing")?)?;
    made.proto = proto.flatten();
    if let Some(port) = left.next() {
        made.port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
    }
    if let Some(quoted) = left.next() {
        let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        made.pattern = pattern(inside.ok_or_else(|| format!("{quoted} needs quotes"))?)?;
    }
    match left.next() {
        None => Ok(made),
        Some(more) => Err(format!("`{more}` is too much for a rule")),
    }
}

/// A pattern within its bounds.
///
/// # Errors
/// It is too long.
pub fn pattern(text: &str) -> Result<Box<[u8]>, String> {
    match text.len() <= PATTERN_MAX {
        true => Ok(text.as_bytes().into()),
        false => Err(format!("a pattern has at most {PATTERN_MAX} bytes")),
    }
}

/// The transport that a word names; `Some(None)` for `any`.
pub fn transport(word: &str) -> Option<Option<Proto>> {
    if word.eq_ignore_ascii_case("any") {
        return Some(None);
    }
    Proto::from_name(word.as_bytes()).map(Some)
}

/// `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `2001:db8::/32`.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (text, None),
    };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let len = match len {
        None => most,
        Some(len) => match len.parse::<u8>() {
            Ok(len) => Some(len).filter(|&len| len <= most)?,
            Err(_) => mask(len.parse().ok()?)?,
        },
    };
    Some((address, len))
}

/// The length of the prefix that a mask stands for, if its ones come first.
fn mask(mask: IpAddr) -> Option<u8> {
    let (ones, zeros, bits) = match mask {
        IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 32),
        IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 128),
    };
    (ones + zeros == bits).then(|| u8::try_from(ones).ok())?
}

/// Where a character stands that is in no string.
fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == wanted && !quoted).then_some(at)
    })
}

/// The text without `# …` and `/* … */`, which the script's reader leaves in.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let (mut quoted, mut depth) = (false, 0usize);
    while let Some(c) = rest.chars().next() {
        if !quoted && rest.starts_with("/*") {
            depth += 1;
            rest = &rest[2..];
        } else if depth > 0 && rest.starts_with("*/") {
            depth -= 1;
            rest = &rest[2..];
        } else if depth == 0 && !quoted && c == '#' {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else {
            if depth == 0 {
                quoted ^= c == '"';
                kept.push(c);
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §2.3.
    #[test]
    fn definitions_are_read() {
        let list = parse(
            "gateways/expire,default: {\n  (udp, 10.0.0.0/8, 5060, \"*Subject: a, (b)*\"), # one\n \
             !(192.0.2.0/255.255.255.0) /* two */, (tcp, ::1, 0, \"\")\n}\n",
        )
        .unwrap();
        assert_eq!(list.name, "gateways");
        assert_eq!(list.flags, Flags::EXPIRE | Flags::DEFAULT);
        let [first, second, third] = &list.rules[..] else { panic!("{:?}", list.rules) };
        assert_eq!((first.proto, first.port), (Some(Proto::Udp), 5060));
        assert_eq!(first.net, ("10.0.0.0".parse().unwrap(), 8));
        assert_eq!(&*first.pattern, b"*Subject: a, (b)*");
        assert!(second.negated && second.proto.is_none());
        assert_eq!(second.net, ("192.0.2.0".parse().unwrap(), 24));
        assert_eq!((third.proto, third.net.1), (Some(Proto::Tcp), 128));
        let single = parse("one: (10.0.0.1)").unwrap();
        assert_eq!((single.flags, single.rules.len()), (Flags::READONLY, 1));
        assert_eq!(parse("empty").unwrap().rules, []);
    }

    /// spec/script.md §15.4, `add_blacklist_rule`.
    #[test]
    fn operators_write_rules_without_parentheses() {
        let written = whole_rule("!tcp, 127.0.0.1, 5060, \"*x*\"").unwrap();
        assert!(written.negated);
        assert_eq!((written.proto, written.port), (Some(Proto::Tcp), 5060));
        assert_eq!(Ok(written), whole_rule("! (tcp,127.0.0.1,5060,\"*x*\")"));
        assert_eq!(whole_rule("10.0.0.0/8"), rule("10.0.0.0/8"));
        for bad in ["", "!", "()", "carrier, 10.0.0.1", "10.0.0.1, port", "(10.0.0.1"] {
            assert!(whole_rule(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for bad in [
            "",
            ": (10.0.0.1)",
            "a/often: (10.0.0.1)",
            "a: 10.0.0.1",
            "a: (10.0.0.1",
            "a: { (10.0.0.1)",
            "a: { (10.0.0.1) (10.0.0.2) }",
            "a: (10.0.0.0/33)",
            "a: (10.0.0.0/255.0.255.0)",
            "a: (udp, 10.0.0.1, 70000)",
            "a: (udp, 10.0.0.1, 0, pattern)",
            "a: (udp, 10.0.0.1, 0, \"\", 5)",
            "a: (carrier, 10.0.0.1)",
            "a: ()",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(pattern(&"x".repeat(PATTERN_MAX + 1)).is_err());
    }
}
