//! Comparisons (spec §5.2). Results: 1 true, 0 false, −1 error.

use super::Machine;
use crate::host::Host;
use crate::pattern::PatternFlags;
use crate::program::{CompareOp, Program, Slot};
use crate::value::Level;
use std::cmp::Ordering;
use std::net::IpAddr;

const ERROR: i8 = -1;

impl Machine {
    pub(super) fn compare(
        &mut self,
        program: &Program,
        op: CompareOp,
        left: Slot,
        right: Slot,
    ) -> i8 {
        use CompareOp::{Equal, Match, NotEqual, NotMatch};
        match (left, right) {
            (Slot::Nothing, _) | (_, Slot::Nothing) => return ERROR,
            (Slot::Null, Slot::Null) => return i8::from(matches!(op, Equal | Match)),
            (Slot::Null, _) | (_, Slot::Null) => {
                return i8::from(matches!(op, NotEqual | NotMatch));
            }
            _ => {}
        }
        let literal_text = matches!(right, Slot::Literal(..));
        let order = match (left.int(), right.int()) {
            (Some(left), Some(right)) if !literal_text => left.cmp(&right),
            (None, _) if matches!(right, Slot::Number(_)) => return ERROR,
            _ => {
                let (left, right) = (self.as_text(left), self.as_text(right));
                let scratch = self.scratch.as_bytes();
                match (left.bytes(program, scratch), right.bytes(program, scratch)) {
                    (Some(left), Some(right)) => fold_cmp(left, right),
                    _ => return ERROR,
                }
            }
        };
        i8::from(match op {
            Equal => order == Ordering::Equal,
            NotEqual => order != Ordering::Equal,
            CompareOp::Less => order == Ordering::Less,
            CompareOp::LessEqual => order != Ordering::Greater,
            CompareOp::Greater => order == Ordering::Greater,
            CompareOp::GreaterEqual => order != Ordering::Less,
            // Patterns have instructions of their own; in value expressions they are refused.
            Match | NotMatch => return ERROR,
        })
    }

    /// A lone variable or number.
    pub(super) fn truth(&self, slot: Slot) -> i8 {
        match slot {
            Slot::Nothing => ERROR,
            Slot::Null => 0,
            Slot::Int(n) | Slot::Number(n) => i8::from(n != 0),
            Slot::Literal(_, len) | Slot::Scratch(_, len) | Slot::ScratchInt(_, len, _) => {
                i8::from(len > 0)
            }
        }
    }

    pub(super) fn compare_net(
        &mut self,
        program: &Program,
        net: u32,
        negate: bool,
        left: Slot,
    ) -> i8 {
        if left == Slot::Null {
            return i8::from(negate);
        }
        let text = left.bytes(program, self.scratch.as_bytes());
        let text = text.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let address = text.and_then(|text| {
            text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok()
        });
        let Some(address) = address else { return ERROR };
        i8::from(contains(program.nets[net as usize], address) != negate)
    }

    pub(super) fn matches(
        &mut self,
        program: &Program,
        pattern: u32,
        negate: bool,
        left: Slot,
    ) -> i8 {
        if left == Slot::Null {
            return i8::from(negate);
        }
        let left = self.as_text(left);
        match left.bytes(program, self.scratch.as_bytes()) {
            Some(text) => i8::from(program.patterns[pattern as usize].is_match(text) != negate),
            None => ERROR,
        }
    }

    pub(super) fn matches_variable<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        negate: bool,
        left: Slot,
        right: Slot,
    ) -> i8 {
        match (left, right) {
            (Slot::Null, Slot::Null) => return i8::from(!negate),
            (Slot::Null, _) | (_, Slot::Null) => return i8::from(negate),
            _ => {}
        }
        let (left, right) = (self.as_text(left), self.as_text(right));
        let scratch = self.scratch.as_bytes();
        let (Some(text), Some(pattern)) =
            (left.bytes(program, scratch), right.bytes(program, scratch))
        else {
            return ERROR;
        };
        match self.cells.cached_pattern(pattern, PatternFlags::OPERATOR) {
            Ok(at) => {
                let found = self.cells.pattern(at).is_some_and(|p| p.is_match(text));
                i8::from(found != negate)
            }
            Err(reason) => {
                self.complain(program, host, Level::Error, &reason);
                ERROR
            }
        }
    }
}

/// Orders bytes without regard to ASCII case; a prefix is smaller.
fn fold_cmp(left: &[u8], right: &[u8]) -> Ordering {
    if left.len() == right.len() && left.eq_ignore_ascii_case(right) {
        return Ordering::Equal;
    }
    let fold = |bytes: &u8| bytes.to_ascii_lowercase();
    left.iter().map(fold).cmp(right.iter().map(fold))
}

fn contains((net, len): (IpAddr, u8), address: IpAddr) -> bool {
    let len = u32::from(len);
    match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            let differ = u32::from(net) ^ u32::from(address);
            differ.leading_zeros() >= len
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => {
            let differ = u128::from(net) ^ u128::from(address);
            differ.leading_zeros() >= len
        }
        _ => false,
    }
}
