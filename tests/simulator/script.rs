//! The script of a plan: one proxy for all its calls, told apart by whom they are for.

use std::fmt::Write as _;

use crate::plan::{CallPlan, Plan, Shape};
use crate::world::script_to;

/// The URI of one of a call's people: `bob3` lives at 10.0.4.2.
pub(crate) fn uri(call: u32, who: Who) -> String {
    format!("sip:{}@{}", who.name(call), who.address(call))
}

/// The people of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Alice = 1,
    Bob,
    Carol,
}

impl Who {
    pub(crate) fn name(self, call: u32) -> String {
        let name = match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
        };
        format!("{name}{call}")
    }

    pub(crate) fn address(self, call: u32) -> std::net::SocketAddr {
        let [high, low] = (call as u16 + 1).to_be_bytes();
        ([10, high, low, self as u8], 5060).into()
    }
}

/// The whole script.
pub(crate) fn script(plan: &Plan) -> String {
    let mut settings = String::new();
    for (module, name, value) in &plan.settings {
        let _ = writeln!(settings, "modparam(\"{module}\", \"{name}\", {value})");
    }
    let targets: String = plan.calls.iter().map(targets).collect();
    let routes: String = plan.calls.iter().map(routes).collect();
    let creating: String = plan.calls.iter().map(creating).collect();
    script_to(&settings, &targets, &routes).replace("create_dialog();", &creating)
}

fn creating(call: &CallPlan) -> String {
    let (bob, flags) = (Who::Bob.name(call.number), &call.flags);
    format!("if ($rU == \"{bob}\") {{ create_dialog(\"{flags}\"); }}\n")
}

fn targets(call: &CallPlan) -> String {
    let (bob, carol) = (Who::Bob.name(call.number), uri(call.number, Who::Carol));
    let what = match call.shape {
        Shape::Plain => return String::new(),
        Shape::Parallel => format!("append_branch(\"{carol}\");"),
        Shape::Serial => format!("t_on_failure(\"next{}\");", call.number),
    };
    format!("if (is_method(\"INVITE\") && $rU == \"{bob}\") {{ {what} }}\n")
}

fn routes(call: &CallPlan) -> String {
    if call.shape != Shape::Serial {
        return String::new();
    }
    let (number, carol) = (call.number, uri(call.number, Who::Carol));
    format!(
        "failure_route[next{number}] {{\n    if (t_was_cancelled())\n        exit;\n    \
         $ru = \"{carol}\";\n    t_relay();\n}}\n"
    )
}
