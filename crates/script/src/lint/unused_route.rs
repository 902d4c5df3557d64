//! A route that nothing leads to.

use super::{Lint, View};
use crate::catalog::RouteKind;
use crate::diagnostic::Report;
use crate::program::{ArgSpec, Op, Piece, Route};

pub(crate) static LINT: Lint = Lint {
    code: "unused-route",
    finds: "a named block that no block that runs leads to",
    why: "Nothing calls or arms it, so it never runs. A file that others include may well have \
          such blocks: allow it there.",
    wrong: r#"route {
	exit;
}

route[relay] {
	forward();
}
"#,
    right: r#"route {
	route(relay);
}

route[relay] {
	forward();
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    let routes = &view.program.routes;
    let computed = computed(view);
    let begins = |route: &Route| {
        let by_itself = match route.kind {
            RouteKind::Request | RouteKind::Reply => route.name == "0",
            RouteKind::Branch | RouteKind::Failure => false,
            _ => true,
        };
        let fits = |(kind, start): &(RouteKind, &[u8])| {
            route.kind == *kind && route.name.as_bytes().starts_with(start)
        };
        by_itself || computed.iter().any(fits) || view.is_named_by_modules(&route.name)
    };
    let mut reached: Vec<bool> = routes.iter().map(begins).collect();
    let mut open: Vec<usize> = (0..routes.len()).filter(|&at| reached[at]).collect();
    while let Some(at) = open.pop() {
        for (_, to) in view.notes.uses.iter().filter(|(from, _)| *from as usize == at) {
            if !std::mem::replace(&mut reached[*to as usize], true) {
                open.push(*to as usize);
            }
        }
    }
    for (at, route) in routes.iter().enumerate().filter(|(at, _)| !reached[*at]) {
        let message = format!("nothing leads to `{}[{}]`", route.kind.keyword(), route.name);
        report.warning(&LINT, view.notes.routes[at], message, None);
    }
}

/// The names of routes that are known at run time only: their kind, and how they begin.
fn computed<'a>(view: &View<'a>) -> Vec<(RouteKind, &'a [u8])> {
    let program = view.program;
    let beginning = |from: u32| match program.pieces.get(from as usize) {
        Some(&Piece::Literal(start, len)) => program.literal(start, len),
        _ => &[],
    };
    let called = program.ops.iter().filter_map(|op| match *op {
        Op::CallRouteNamed(from, _) => Some(match program.arguments[from as usize] {
            ArgSpec::Format(from, _) => (RouteKind::Request, beginning(from)),
            _ => (RouteKind::Request, &[][..]),
        }),
        _ => None,
    });
    let armed = program.arguments.iter().filter_map(|argument| match *argument {
        ArgSpec::RouteFormat(kind, from, _) => Some((kind, beginning(from))),
        ArgSpec::RouteVariable(kind, _) => Some((kind, &[][..])),
        _ => None,
    });
    called.chain(armed).collect()
}
