//! Value expressions (spec §5.3): the left operand decides the type.

use super::Machine;
use crate::host::Host;
use crate::program::{BinaryOp, Program, Slot};
use crate::value::Level;

impl Machine {
    pub(super) fn binary<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        op: BinaryOp,
        left: Slot,
        right: Slot,
    ) -> Slot {
        if left == Slot::Nothing || right == Slot::Nothing {
            return Slot::Nothing;
        }
        if let Slot::Int(a) | Slot::Number(a) = left {
            // NULL counts as 0.
            let b = if right == Slot::Null { Some(0) } else { right.int() };
            let Some(b) = b else {
                self.complain(program, host, Level::Error, "the right operand is no number");
                return Slot::Nothing;
            };
            return Slot::Int(calculate(op, a, b).unwrap_or_else(|| {
                self.complain(program, host, Level::Error, "division by 0");
                0
            }));
        }
        self.text_operation(program, host, op, left, right)
    }

    /// `left op= right`.
    pub(super) fn update<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        op: BinaryOp,
        left: Slot,
        right: Slot,
    ) -> Slot {
        let wrong = match (left, right) {
            (Slot::Nothing, _) | (_, Slot::Nothing) => return Slot::Nothing,
            (Slot::Null, _) | (_, Slot::Null) => "an operand is NULL",
            _ => {
                let numeric = |slot| matches!(slot, Slot::Int(_) | Slot::Number(_));
                if !numeric(left) && !numeric(right) {
                    match op {
                        BinaryOp::Add => {
                            return self.text_operation(program, host, op, left, right);
                        }
                        _ => "unsupported operand type(s)",
                    }
                } else {
                    match (left.int(), right.int()) {
                        (Some(a), Some(b)) => match calculate(op, a, b) {
                            Some(n) => return Slot::Int(n),
                            None => "division by 0",
                        },
                        _ => "unsupported operand type(s)",
                    }
                }
            }
        };
        self.complain(program, host, Level::Error, wrong);
        Slot::Nothing
    }

    fn text_operation<H: Host + ?Sized>(
        &mut self,
        program: &Program,
        host: &mut H,
        op: BinaryOp,
        left: Slot,
        right: Slot,
    ) -> Slot {
        let right = self.as_text(right);
        let start = self.scratch.len();
        match op {
            _ if right == Slot::Nothing => {}
            BinaryOp::Add => {
                self.append(program, left);
                self.append(program, right);
                let len = self.scratch.len() - start;
                if !self.scratch.take_overflow() {
                    return Slot::Scratch(start as u32, len as u32);
                }
            }
            BinaryOp::And | BinaryOp::Or | BinaryOp::Xor => {
                self.append(program, left);
                let middle = self.scratch.len();
                self.append(program, right);
                let len = middle - start;
                if self.scratch.len() - middle == len && !self.scratch.take_overflow() {
                    let (a, b) = self.scratch.part_mut(start).split_at_mut(len);
                    for (a, b) in a.iter_mut().zip(b) {
                        match op {
                            BinaryOp::And => *a &= *b,
                            BinaryOp::Or => *a |= *b,
                            _ => *a ^= *b,
                        }
                    }
                    self.scratch.truncate(middle);
                    return Slot::Scratch(start as u32, len as u32);
                }
            }
            _ => {}
        }
        self.complain(program, host, Level::Error, "the operands do not fit the operator");
        Slot::Nothing
    }

    fn append(&mut self, program: &Program, slot: Slot) {
        match slot {
            Slot::Literal(start, len) => self.scratch.push(program.literal(start, len)),
            Slot::Scratch(start, len) | Slot::ScratchInt(start, len, _) => {
                self.scratch.push_within(start as usize, (start + len) as usize);
            }
            _ => {}
        }
    }
}

/// 32 bits, wrapping; `None` for a division by 0.
fn calculate(op: BinaryOp, a: i32, b: i32) -> Option<i32> {
    let shift = u32::try_from(b).ok();
    Some(match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Subtract => a.wrapping_sub(b),
        BinaryOp::Multiply => a.wrapping_mul(b),
        BinaryOp::Divide if b == 0 => return None,
        BinaryOp::Divide => a.wrapping_div(b),
        BinaryOp::Modulo if b == 0 => return None,
        BinaryOp::Modulo => a.wrapping_rem(b),
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::ShiftLeft => shift.and_then(|n| a.checked_shl(n)).unwrap_or(0),
        BinaryOp::ShiftRight => shift.and_then(|n| a.checked_shr(n)).unwrap_or(0),
    })
}
