//! Serial forking: destinations that are tried one group after the other (spec/script.md §11,
//! `serialize_branches()`, `next_branches()`; RFC 3261 §16.6).

use std::collections::VecDeque;

use crate::target::Target;

/// How many destinations of one request may wait for their turn.
pub const SERIAL_MAX: usize = 48;

/// The groups that wait, the next one in front.
#[derive(Clone, Debug, Default)]
pub struct Serial(VecDeque<Vec<Target>>);

/// What [`Serial::next_group`] gives.
#[derive(Debug)]
pub struct Group {
    /// The destination that becomes the Request-URI branch.
    pub first: Target,
    /// Those that ring beside it.
    pub others: Vec<Target>,
    /// Whether no group is left behind this one.
    pub last: bool,
}

impl Serial {
    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many destinations wait.
    pub fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Puts destinations in front of those that wait: by falling q, those of the same q together,
    /// or each alone in the order given. A destination without q comes after all that have one.
    pub fn add(&mut self, mut targets: Vec<Target>, keep_order: bool) {
        let mut groups: Vec<Vec<Target>> = Vec::new();
        if !keep_order {
            targets.sort_by_key(|target| std::cmp::Reverse(target.q));
        }
        for target in targets {
            match groups.last_mut() {
                Some(group) if !keep_order && group[0].q == target.q => group.push(target),
                _ => groups.push(vec![target]),
            }
        }
        for group in groups.into_iter().rev() {
            self.0.push_front(group);
        }
    }

    /// Takes the group whose turn it is.
    pub fn next_group(&mut self) -> Option<Group> {
        let mut others = self.0.pop_front()?;
        // A group is never empty: it was made for its first destination.
        let first = others.remove(0);
        Some(Group { first, others, last: self.0.is_empty() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str, q: i32) -> Target {
        Target { uri: Some(uri.as_bytes().to_vec()), q, ..Target::received() }
    }

    fn order(serial: &mut Serial) -> String {
        let mut shown = Vec::new();
        while let Some(Group { first, others, last }) = serial.next_group() {
            let names = std::iter::once(first).chain(others).filter_map(|it| it.uri);
            let names: Vec<_> = names.map(|uri| String::from_utf8(uri).unwrap()).collect();
            shown.push(format!("{}{}", names.join("+"), if last { "." } else { "" }));
        }
        shown.join(" ")
    }

    /// spec/script.md §11.
    #[test]
    fn groups_go_by_falling_q() {
        let mut serial = Serial::default();
        let all = || vec![target("a", 500), target("b", 900), target("c", 500), target("d", -1)];
        serial.add(all(), false);
        assert_eq!(serial.len(), 4);
        assert_eq!(order(&mut serial), "b a+c d.");
        serial.add(all(), true);
        assert_eq!(order(&mut serial), "a b c d.");
        assert!(serial.is_empty());
    }

    #[test]
    fn who_comes_later_goes_first() {
        let mut serial = Serial::default();
        serial.add(vec![target("a", 1), target("b", 2)], false);
        serial.add(vec![target("c", 1), target("d", 2)], false);
        assert_eq!(order(&mut serial), "d c b a.");
    }
}
