//! Blacklists: named sets of destinations to which nothing is sent (spec/script.md §2.3
//! `dst_blacklist`, §11). A message selects lists; those with the flag `default` are selected for
//! all that do not say otherwise.

mod definition;

use std::net::{IpAddr, SocketAddr};

use parking_lot::RwLock;

pub use definition::{Definition, Flags, parse, pattern, rule, transport, whole_rule};

use crate::glob;
use crate::sockets::Proto;

/// How many lists a script may define: a message keeps its selection in one word.
pub const LISTS_MAX: usize = 32;
/// How many rules one list holds.
pub const RULES_MAX: usize = 1_000;

/// All lists of the script.
#[derive(Debug, Default)]
pub struct Blacklists(Vec<List>);

#[derive(Debug)]
struct List {
    name: String,
    flags: Flags,
    rules: RwLock<Vec<Rule>>,
}

/// A rule of a list. What it is silent about fits anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule means all destinations that it does not describe.
    pub negated: bool,
    /// The transport.
    pub proto: Option<Proto>,
    /// Network and length of its prefix.
    pub net: (IpAddr, u8),
    /// The port; 0 is any.
    pub port: u16,
    /// A shell pattern for the text of the message; empty is any.
    pub pattern: Box<[u8]>,
    /// The second since 1970 in which the rule ends.
    pub expires: Option<u64>,
}

/// Where a message is about to go, or where an operator asks about.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'m> {
    /// The transport; without one, rules of one transport do not fit.
    pub proto: Option<Proto>,
    /// The address; with port 0, rules of one port do not fit.
    pub address: SocketAddr,
    /// The message.
    pub message: &'m [u8],
}

/// Which lists a message asked for, and which it does not want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    used: u32,
    unused: u32,
}

impl Selection {
    /// `use_blacklist()`.
    pub fn add(&mut self, list: u8) {
        self.used |= bit(list);
        self.unused &= !bit(list);
    }

    /// `unuse_blacklist()`.
    pub fn remove(&mut self, list: u8) {
        self.used &= !bit(list);
        self.unused |= bit(list);
    }
}

fn bit(list: u8) -> u32 {
    1u32.checked_shl(list.into()).unwrap_or_default()
}

impl Blacklists {
    /// The lists of a script.
    ///
    /// # Errors
    /// A list that stands twice, or too many.
    pub fn new(definitions: Vec<Definition>) -> Result<Self, String> {
        let mut lists: Vec<List> = Vec::new();
        for Definition { name, flags, rules } in definitions {
            if lists.iter().any(|list| list.name == name) {
                return Err(format!("dst_blacklist `{name}` is defined twice"));
            }
            if lists.len() == LISTS_MAX {
                return Err(format!("more than {LISTS_MAX} lists of dst_blacklist"));
            }
            lists.push(List { name, flags, rules: RwLock::new(rules) });
        }
        Ok(Self(lists))
    }

    /// The number of a list.
    pub fn find(&self, name: &[u8]) -> Option<u8> {
        let at = self.0.iter().position(|list| list.name.as_bytes() == name)?;
        u8::try_from(at).ok()
    }

    /// The name of the first selected list that forbids a destination.
    pub fn forbids(
        &self,
        selection: Selection,
        now_unix: u64,
        to: &Destination<'_>,
    ) -> Option<&str> {
        let selected = |number: u8, list: &List| {
            let by_default = list.flags.contains(Flags::DEFAULT);
            selection.used & bit(number) != 0 || by_default && selection.unused & bit(number) == 0
        };
        let mut lists = (0u8..).zip(&self.0).filter(|&(number, list)| selected(number, list));
        lists.find(|(_, list)| list.forbids(now_unix, to)).map(|(_, list)| list.name.as_str())
    }

    /// Whether one list forbids a destination, selected or not.
    pub fn list_forbids(&self, list: u8, now_unix: u64, to: &Destination<'_>) -> bool {
        self.0.get(usize::from(list)).is_some_and(|list| list.forbids(now_unix, to))
    }

    /// The lists, each with the rules that hold at this time, in the order of the script.
    pub fn listed(&self, now_unix: u64) -> impl Iterator<Item = Definition> {
        self.0.iter().map(move |List { name, flags, rules }| {
            let rules = rules.read();
            let alive = rules.iter().filter(|rule| rule.is_alive(now_unix));
            Definition { name: name.clone(), flags: *flags, rules: alive.cloned().collect() }
        })
    }

    /// The first rule of a list that forbids a destination.
    pub fn rule_against(&self, list: u8, now_unix: u64, to: &Destination<'_>) -> Option<Rule> {
        let rules = self.0.get(usize::from(list))?.rules.read();
        rules.iter().find(|rule| rule.is_alive(now_unix) && rule.means(to)).cloned()
    }

    /// Adds a rule; a rule that is there already gets its new end.
    ///
    /// # Errors
    /// The list is read-only, full, or its rules do not expire.
    pub fn add(&self, list: u8, rule: Rule, now_unix: u64) -> Result<(), &'static str> {
        let list = self.changeable(list)?;
        if rule.expires.is_some() && !list.flags.contains(Flags::EXPIRE) {
            return Err("the rules of this blacklist do not expire");
        }
        let mut rules = list.rules.write();
        rules.retain(|known| !known.same_as(&rule) && known.is_alive(now_unix));
        if rules.len() >= RULES_MAX {
            return Err("this blacklist is full");
        }
        rules.push(rule);
        Ok(())
    }

    /// Deletes a rule.
    ///
    /// # Errors
    /// The list is read-only, or has no such rule.
    pub fn delete(&self, list: u8, rule: &Rule) -> Result<(), &'static str> {
        let mut rules = self.changeable(list)?.rules.write();
        let before = rules.len();
        rules.retain(|known| !known.same_as(rule));
        if rules.len() == before { Err("this blacklist has no such rule") } else { Ok(()) }
    }

    fn changeable(&self, list: u8) -> Result<&List, &'static str> {
        let list = self.0.get(usize::from(list)).ok_or("there is no such blacklist")?;
        match list.flags.contains(Flags::READONLY) {
            true => Err("this blacklist is read-only"),
            false => Ok(list),
        }
    }
}

impl List {
    fn forbids(&self, now_unix: u64, to: &Destination<'_>) -> bool {
        self.rules.read().iter().any(|rule| rule.is_alive(now_unix) && rule.means(to))
    }
}

impl Rule {
    /// Whether a destination is one of those that the rule forbids.
    fn means(&self, to: &Destination<'_>) -> bool {
        let described = self.proto.is_none_or(|proto| to.proto == Some(proto))
            && (self.port == 0 || self.port == to.address.port())
            && contains(self.net, to.address.ip().to_canonical())
            && (self.pattern.is_empty() || glob::matches(&self.pattern, to.message));
        described != self.negated
    }

    fn is_alive(&self, now_unix: u64) -> bool {
        self.expires.is_none_or(|end| now_unix < end)
    }

    /// The same rule, whenever it ends.
    fn same_as(&self, other: &Self) -> bool {
        let Self { negated, proto, net, port, pattern, expires: _ } = self;
        (negated, proto, net, port, pattern)
            == (&other.negated, &other.proto, &other.net, &other.port, &other.pattern)
    }
}

/// Whether an address lies in a network.
fn contains((net, len): (IpAddr, u8), ip: IpAddr) -> bool {
    match (net, ip) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => {
            let host_bits = 32u32.saturating_sub(len.into());
            (net.to_bits() ^ ip.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(net), IpAddr::V6(ip)) => {
            let host_bits = 128u32.saturating_sub(len.into());
            (net.to_bits() ^ ip.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(definitions: &[&str]) -> Blacklists {
        let parsed = definitions.iter().map(|text| parse(text).unwrap()).collect();
        Blacklists::new(parsed).unwrap()
    }

    fn to(address: &str) -> Destination<'static> {
        let message = b"INVITE sip:a@h SIP/2.0\r\nSubject: spam\r\n\r\n";
        Destination { proto: Some(Proto::Udp), address: address.parse().unwrap(), message }
    }

    fn selected(list: u8) -> Selection {
        let mut selection = Selection::default();
        selection.add(list);
        selection
    }

    /// spec/script.md §2.3.
    #[test]
    fn rules_describe_destinations() {
        let all = lists(&[
            "nets: { (udp, 10.0.0.0/8, 0, \"\"), (any, 192.0.2.1, 5070, \"\") }",
            "others: !(10.0.0.0/255.0.0.0)",
            "words: (udp, 0.0.0.0/0, 0, \"*Subject: sp?m*\")",
            "six: (2001:db8::/32)",
        ]);
        let forbids = |list, address| all.forbids(selected(list), 0, &to(address)).is_some();
        assert!(forbids(0, "10.1.2.3:5060") && !forbids(0, "11.1.2.3:5060"));
        assert!(forbids(0, "192.0.2.1:5070") && !forbids(0, "192.0.2.1:5060"));
        assert!(forbids(1, "11.0.0.1:5060") && !forbids(1, "10.0.0.1:5060"));
        assert!(forbids(2, "11.0.0.1:5060"));
        assert!(forbids(3, "[2001:db8::1]:5060") && !forbids(3, "[2001:db9::1]:5060"));
        assert!(!forbids(3, "10.0.0.1:5060"));
    }

    /// spec/script.md §2.3, §11: selected for one message, or for all that do not refuse.
    #[test]
    fn lists_are_selected() {
        let all = lists(&["a: (10.0.0.1)", "b/default: (10.0.0.2)"]);
        let (first, second) = (to("10.0.0.1:5060"), to("10.0.0.2:5060"));
        let mut selection = Selection::default();
        assert_eq!(all.forbids(selection, 0, &first), None);
        assert_eq!(all.forbids(selection, 0, &second), Some("b"));
        selection.add(0);
        selection.remove(1);
        assert_eq!(all.forbids(selection, 0, &first), Some("a"));
        assert_eq!(all.forbids(selection, 0, &second), None);
        selection.add(1);
        assert_eq!(all.forbids(selection, 0, &second), Some("b"));
        assert!(all.list_forbids(0, 0, &first));
        assert_eq!((all.find(b"b"), all.find(b"c")), (Some(1), None));
    }

    /// spec/script.md §11: rules come, expire and go; a read-only list stays as it is.
    #[test]
    fn rules_come_and_go() {
        let all = lists(&["a/expire", "b"]);
        let rule = |expires| Rule { expires, ..rule("10.0.0.1").unwrap() };
        let forbids = |now| all.list_forbids(0, now, &to("10.0.0.1:5060"));
        assert!(!forbids(0));
        all.add(0, rule(Some(100)), 0).unwrap();
        assert!(forbids(99) && !forbids(100));
        all.add(0, rule(None), 0).unwrap();
        assert!(forbids(1000));
        all.delete(0, &rule(None)).unwrap();
        assert!(!forbids(0));
        assert!(all.delete(0, &rule(None)).is_err());
        assert_eq!(all.add(1, rule(None), 0), Err("this blacklist is read-only"));
        assert!(all.add(9, rule(None), 0).is_err());
    }

    #[test]
    fn a_list_is_bounded() {
        let all = lists(&["a/default"]);
        for port in 1..=RULES_MAX {
            let port = u16::try_from(port).unwrap();
            all.add(0, Rule { port, ..rule("10.0.0.1").unwrap() }, 0).unwrap();
        }
        assert_eq!(all.add(0, rule("10.0.0.2").unwrap(), 0), Err("this blacklist is full"));
        let expiring = Rule { expires: Some(9), ..rule("10.0.0.3").unwrap() };
        assert!(all.add(0, expiring, 0).is_err(), "its rules do not expire");
        assert!(Blacklists::new(vec![parse("a").unwrap(), parse("a").unwrap()]).is_err());
    }
}
