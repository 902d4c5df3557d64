//! The core's functions (spec/script.md §11). What is not built yet stands in
//! [`planned`](super::planned).

mod branches;
pub(crate) mod events;
mod flags;
mod sockets;
pub(in crate::core) mod uri;

use duologue_script::{Args, Called, FlagKind, Param, ParamKind, RouteKinds, Value};

use crate::context::Context;
use crate::module::Function;

pub(in crate::core) use branches::{append, thousandths};
pub(in crate::core) use flags::branch_flags;

const STR: Param = Param::new(ParamKind::Str);
const INT: Param = Param::new(ParamKind::Int);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);
const OPTIONAL_VAR: Param = Param::optional(ParamKind::Var);
const OPTIONAL_INT: Param = Param::optional(ParamKind::Int);
const MESSAGE_FLAG: Param = Param::new(ParamKind::Flag(FlagKind::Message));
const BRANCH_FLAG: Param = Param::new(ParamKind::Flag(FlagKind::Branch));
/// Core functions are allowed in every block.
const ANY: RouteKinds = RouteKinds::all();

/// The functions that need no module.
pub static FUNCTIONS: &[Function] = &[
    Function::new("setflag", &[MESSAGE_FLAG], ANY, flags::set),
    Function::new("resetflag", &[MESSAGE_FLAG], ANY, flags::reset),
    Function::new("isflagset", &[MESSAGE_FLAG], ANY, flags::is_set),
    Function::new("setbflag", &[BRANCH_FLAG, OPTIONAL_INT], ANY, flags::set_of_branch),
    Function::new("resetbflag", &[BRANCH_FLAG, OPTIONAL_INT], ANY, flags::reset_of_branch),
    Function::new("isbflagset", &[BRANCH_FLAG, OPTIONAL_INT], ANY, flags::is_set_of_branch),
    Function::new("seturi", &[STR], ANY, uri::set_uri),
    Function::new("rewriteuri", &[STR], ANY, uri::set_uri),
    Function::new("setuser", &[STR], ANY, uri::set_user),
    Function::new("rewriteuser", &[STR], ANY, uri::set_user),
    Function::new("setuserpass", &[STR], ANY, uri::set_user_pass),
    Function::new("rewriteuserpass", &[STR], ANY, uri::set_user_pass),
    Function::new("sethost", &[STR], ANY, uri::set_host),
    Function::new("rewritehost", &[STR], ANY, uri::set_host),
    Function::new("sethostport", &[STR], ANY, uri::set_host_port),
    Function::new("rewritehostport", &[STR], ANY, uri::set_host_port),
    Function::new("setport", &[STR], ANY, uri::set_port),
    Function::new("rewriteport", &[STR], ANY, uri::set_port),
    Function::new("prefix", &[STR], ANY, uri::prefix),
    Function::new("strip", &[INT], ANY, uri::strip).checked(uri::check_count),
    Function::new("strip_tail", &[INT], ANY, uri::strip_tail).checked(uri::check_count),
    Function::new("revert_uri", &[], ANY, uri::revert),
    Function::new("setdsturi", &[STR], ANY, uri::set_destination),
    Function::new("resetdsturi", &[], ANY, uri::reset_destination),
    Function::new("isdsturiset", &[], ANY, uri::is_destination_set),
    Function::new("append_branch", &[OPTIONAL_STR, OPTIONAL_STR], ANY, branches::append_branch),
    Function::new("append_branch_old", &[OPTIONAL_STR, OPTIONAL_STR], ANY, branches::append_branch),
    Function::new(
        "append_msg_branch",
        &[STR, OPTIONAL_STR, OPTIONAL_STR],
        ANY,
        branches::append_msg_branch,
    )
    .checked(branches::check_flags),
    Function::new("remove_branch", &[INT], ANY, branches::remove),
    Function::new("remove_msg_branch", &[INT], ANY, branches::remove),
    Function::new("force_rport", &[], ANY, sockets::force_rport),
    Function::new("force_send_socket", &[STR], ANY, sockets::force_send_socket)
        .checked(sockets::check_socket),
    Function::new("is_myself", &[STR, OPTIONAL_INT], ANY, sockets::is_myself),
    Function::new("raise_event", &[STR, OPTIONAL_VAR, OPTIONAL_VAR], ANY, events::raise)
        .checked(events::check_name),
    Function::new("subscribe_event", &[STR, STR, OPTIONAL_INT], ANY, events::subscribe)
        .checked(events::check_subscription),
    Function::new("pv_printf", &[Param::new(ParamKind::Var), STR], ANY, pv_printf),
];

/// What a function that cannot answer anything but yes or no returns.
const fn yes_or_no(yes: bool) -> Called {
    Called::Value(if yes { 1 } else { -1 })
}

/// Assigns an expanded text to a variable.
fn pv_printf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(text) = args.str(1) else { return Called::Value(-1) };
    yes_or_no(args.store(ctx, 0, Value::Str(text)).is_ok())
}
