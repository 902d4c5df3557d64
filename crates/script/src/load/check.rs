//! What can be checked only when the whole file is known (spec §3.1): routes that are called
//! exist, no block reaches a function that it must not call, and literal arguments fit the settings.

use std::collections::HashMap;

use super::{Loader, Patch, Reference};
use crate::catalog::RouteKind;
use crate::diagnostic::did_you_mean;
use crate::program::{ArgSpec, Op, RouteId};

impl Loader<'_> {
    pub(super) fn check(&mut self) {
        let calls = self.resolve_routes();
        self.check_kinds(calls);
        self.check_references();
    }

    fn check_references(&mut self) {
        for Reference { function, name, index, text, span } in std::mem::take(&mut self.references)
        {
            let setup = self.in_force.unwrap_or(&self.setup);
            let checked = self.catalog.check_reference(function, index, &text, setup);
            if let Err(reason) = checked {
                let message = format!("bad arguments for command <{name}>: {reason}");
                self.report.error_help(span, message, None);
            }
        }
    }

    /// Patches all references; the result is the call graph: (caller, called).
    fn resolve_routes(&mut self) -> Vec<(u32, u32)> {
        let mut calls = Vec::new();
        let known: HashMap<(RouteKind, String), RouteId> =
            self.program.routes().map(|(id, it)| ((it.kind, it.name.clone()), id)).collect();
        for mut used in std::mem::take(&mut self.route_uses) {
            let wanted = (used.kind, std::mem::take(&mut used.name));
            let found = known.get(&wanted).copied();
            used.name = wanted.1;
            let Some(route) = found else {
                let routes = self.program.routes().map(|(_, r)| r).filter(|r| r.kind == used.kind);
                let help = did_you_mean(&used.name, routes.map(|r| r.name.as_str()));
                let message = format!(
                    "undefined route: there is no `{}[{}]`",
                    used.kind.keyword(),
                    used.name
                );
                self.report.error_help(used.span, message, help);
                continue;
            };
            self.notes.uses.push((used.from, route.0));
            match used.patch {
                Patch::Op(at) => {
                    match &mut self.program.ops[at] {
                        Op::CallRoute(to, ..) => {
                            *to = route;
                            calls.push((used.from, route.0));
                        }
                        // A resume route runs on the same message, so it is checked too.
                        Op::Async { resume, .. } => {
                            *resume = route;
                            calls.push((used.from, route.0));
                        }
                        Op::Launch { report, .. } => *report = Some(route),
                        _ => {}
                    }
                }
                Patch::Argument(at) => {
                    if let Some(arg) = self.program.arguments.get_mut(at) {
                        *arg = ArgSpec::Route(route);
                    }
                }
            }
        }
        calls
    }

    /// Walks from every top block through `route()`; each wrong call is reported once.
    fn check_kinds(&mut self, mut calls: Vec<(u32, u32)>) {
        calls.sort_unstable();
        let called_by = |from: u32| {
            let first = calls.partition_point(|(caller, _)| *caller < from);
            calls[first..].iter().take_while(move |(caller, _)| *caller == from)
        };
        let routes = self.program.routes.len();
        let mut reported = vec![false; self.function_uses.len()];
        for top in 0..routes as u32 {
            let route = &self.program.routes[top as usize];
            if route.kind == RouteKind::Request && route.name != "0" {
                continue;
            }
            let kind = route.kind;
            let name = route.name.clone();
            let mut seen = vec![false; routes];
            let mut open = vec![top];
            seen[top as usize] = true;
            while let Some(at) = open.pop() {
                for (_, called) in called_by(at) {
                    if !std::mem::replace(&mut seen[*called as usize], true) {
                        open.push(*called);
                    }
                }
            }
            for (at, used) in self.function_uses.iter().enumerate() {
                // Direct calls in the block itself were checked when they were read.
                if used.from == top || !seen[used.from as usize] || reported[at] {
                    continue;
                }
                let function = self.catalog.functions()[used.function];
                if !function.routes.contains(kind.set()) {
                    reported[at] = true;
                    let inner = &self.program.routes[used.from as usize].name;
                    let message = format!(
                        "Command <{}> cannot be used in the block: `{}[{name}]` reaches \
                         `route[{inner}]`",
                        function.name,
                        kind.keyword(),
                    );
                    self.report.error(used.span, message);
                }
            }
        }
    }
}
