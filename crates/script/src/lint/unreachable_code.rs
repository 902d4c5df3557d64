//! Statements behind `exit`, `return`, `drop`, `break` and `async()`.

use super::{Lint, View};
use crate::diagnostic::Report;
use crate::program::{Op, Program};

pub(crate) static LINT: Lint = Lint {
    code: "unreachable-code",
    finds: "a statement that no way leads to",
    why: "What stands before it ends the block on every way: `exit`, `return`, `drop`, `break`, or \
          `async()`, behind which only the resume route goes on. A `break` behind one of them is \
          left alone.",
    wrong: r#"route {
	if ($rm == "ACK") {
		exit;
		xlog("an ACK\n");
	}
	forward();
}
"#,
    right: r#"route {
	if ($rm == "ACK") {
		xlog("an ACK\n");
		exit;
	}
	forward();
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    let ops = &view.program.ops;
    let reached = reached(view.program);
    let mut at = 0;
    while at < ops.len() {
        if reached[at] {
            at += 1;
            continue;
        }
        let end = (at..ops.len()).find(|&it| reached[it]).unwrap_or(ops.len());
        if let Some(first) = (at..end).find(|&it| is_statement(ops, it))
            && let Some(help) = what_ends(ops, at)
        {
            let message = "this statement never runs";
            report.warning(&LINT, view.notes.ops[first], message, Some(help));
        }
        at = end;
    }
}

/// A statement other than a `break`.
fn is_statement(ops: &[Op], at: usize) -> bool {
    matches!(ops[at], Op::Begin) && !matches!(ops.get(at + 1), Some(Op::Jump(_)))
}

/// What stands before instructions that are never reached; `None` for a `for` that is refused, which
/// has a warning of its own.
fn what_ends(ops: &[Op], at: usize) -> Option<String> {
    let word = match ops[..at] {
        [.., Op::ForRefused(_), Op::Done, Op::Jump(_)] => return None,
        [.., Op::Exit] => "exit",
        [.., Op::Drop] => "drop",
        [.., Op::Return { .. }] => "return",
        [.., Op::Async { .. }] => "async()",
        [.., Op::Begin, Op::Jump(_)] => "break",
        _ => return Some("every way to it ends before".to_owned()),
    };
    Some(format!("`{word}` before it ends the way here"))
}

/// Which instructions a run may come to.
fn reached(program: &Program) -> Vec<bool> {
    let mut reached = vec![false; program.ops.len()];
    let mut open: Vec<usize> = program.routes().map(|(_, route)| route.entry as usize).collect();
    // A failed assert goes on there.
    open.push(0);
    while let Some(at) = open.pop() {
        if reached.get(at).is_none_or(|reached| *reached) {
            continue;
        }
        reached[at] = true;
        let next = at + 1;
        match program.ops[at] {
            Op::Exit | Op::Drop | Op::Return { .. } | Op::EndOfRoute => {}
            Op::AssertFailed(..) | Op::Async { .. } => {}
            Op::Jump(to) => open.push(to as usize),
            Op::JumpUnlessTrue(to)
            | Op::JumpUnlessFalse(to)
            | Op::Decide(to)
            | Op::LoopRound(to)
            | Op::ForRound { end: to, .. } => open.extend([next, to as usize]),
            Op::Switch(at) => {
                let switch = program.switches[at as usize];
                let (from, to) = switch.cases;
                let cases = &program.cases[from as usize..to as usize];
                open.extend(cases.iter().map(|(_, to)| *to as usize));
                open.push(switch.otherwise as usize);
            }
            _ => open.push(next),
        }
    }
    reached
}
