//! The core's functions (spec/script.md §11). What is not built yet stands in
//! [`planned`](super::planned).

mod blacklists;
mod branches;
mod cache;
mod debug;
pub(crate) mod events;
mod flags;
mod readiness;
mod serial;
mod sockets;
mod stateless;
pub(in crate::core) mod uri;
mod values;
mod via;

use duologue_script::{Called, FlagKind, Param, ParamKind, RouteKinds};

use crate::module::Function;

pub(in crate::core) use branches::{append, thousandths};
pub(in crate::core) use flags::branch_flags;
pub(in crate::core) use values::micros_of_second;

const STR: Param = Param::new(ParamKind::Str);
const INT: Param = Param::new(ParamKind::Int);
const OPTIONAL_VERBATIM: Param = Param::optional(ParamKind::Verbatim);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);
const OPTIONAL_VAR: Param = Param::optional(ParamKind::Var);
const OPTIONAL_INT: Param = Param::optional(ParamKind::Int);
const VAR: Param = Param::new(ParamKind::Var);
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
    Function::new(
        "move_branch",
        &[OPTIONAL_INT, OPTIONAL_INT, OPTIONAL_STR],
        ANY,
        serial::move_branch,
    )
    .checked(serial::check_keep),
    Function::new(
        "move_msg_branch",
        &[OPTIONAL_INT, OPTIONAL_INT, OPTIONAL_STR],
        ANY,
        serial::move_branch,
    )
    .checked(serial::check_keep),
    Function::new("swap_branches", &[OPTIONAL_INT, OPTIONAL_INT], ANY, serial::swap),
    Function::new("swap_msg_branches", &[OPTIONAL_INT, OPTIONAL_INT], ANY, serial::swap),
    Function::new("serialize_branches", &[INT, OPTIONAL_INT], ANY, serial::serialize),
    Function::new("next_branches", &[], ANY, serial::next),
    Function::new("forward", &[OPTIONAL_STR], ANY, stateless::forward).checked(stateless::check),
    Function::new("send", &[STR, OPTIONAL_STR], ANY, stateless::send).checked(stateless::check),
    Function::new("force_rport", &[], ANY, via::force_rport),
    Function::new("add_local_rport", &[], ANY, via::add_local_rport),
    Function::new("force_tcp_alias", &[OPTIONAL_INT], ANY, via::force_tcp_alias)
        .noted(via::ABOUT_ALIASES),
    Function::new("set_via_handling", &[STR], ANY, via::set_handling).checked(via::check_handling),
    Function::new("set_advertised_address", &[STR], ANY, via::set_advertised_address)
        .checked(via::check_address),
    Function::new("set_advertised_port", &[STR], ANY, via::set_advertised_port)
        .checked(via::check_port),
    Function::new("socket_belongs_to_bond", &[STR, STR], ANY, sockets::belongs_to_bond)
        .checked(sockets::check_socket)
        .refers_to_setup(sockets::check_bond),
    Function::new("force_send_socket", &[STR], ANY, sockets::force_send_socket)
        .checked(sockets::check_socket)
        .refers_to_setup(sockets::check_bond),
    Function::new("tcp_close_conn", &[STR], ANY, sockets::close_connection)
        .noted(sockets::ABOUT_CONNECTIONS),
    Function::new("sr_check_status", &[STR, OPTIONAL_STR], ANY, readiness::check)
        .checked(readiness::check_name),
    Function::new("is_myself", &[STR, OPTIONAL_INT], ANY, sockets::is_myself),
    Function::new("raise_event", &[STR, OPTIONAL_VAR, OPTIONAL_VAR], ANY, events::raise)
        .checked(events::check_name),
    Function::new("subscribe_event", &[STR, STR, OPTIONAL_INT], ANY, events::subscribe)
        .checked(events::check_subscription),
    Function::new("use_blacklist", &[STR], ANY, blacklists::use_list),
    Function::new("unuse_blacklist", &[STR], ANY, blacklists::unuse_list),
    Function::new(
        "check_blacklist_rule",
        &[STR, STR, OPTIONAL_INT, OPTIONAL_STR, OPTIONAL_STR],
        ANY,
        blacklists::check_rule,
    )
    .checked(blacklists::check),
    Function::new(
        "add_blacklist_rule",
        &[STR, STR, OPTIONAL_INT, OPTIONAL_STR, OPTIONAL_STR, OPTIONAL_INT],
        ANY,
        blacklists::add_rule,
    )
    .checked(blacklists::check),
    Function::new(
        "del_blacklist_rule",
        &[STR, STR, OPTIONAL_INT, OPTIONAL_STR, OPTIONAL_STR],
        ANY,
        blacklists::delete_rule,
    )
    .checked(blacklists::check),
    Function::new("pv_printf", &[VAR, STR], ANY, values::pv_printf),
    Function::new(
        "construct_uri",
        &[STR, OPTIONAL_STR, STR, OPTIONAL_STR, OPTIONAL_STR, VAR],
        ANY,
        values::construct_uri,
    ),
    Function::new("get_timestamp", &[VAR, VAR], ANY, values::get_timestamp),
    Function::new(
        "script_trace",
        &[OPTIONAL_INT, Param::optional(ParamKind::Verbatim), OPTIONAL_STR],
        ANY,
        debug::script_trace,
    ),
    Function::new("avp_print", &[], ANY, debug::avp_print),
    Function::new("cache_store", &[STR, STR, STR, OPTIONAL_INT], ANY, cache::store)
        .checked(cache::check),
    Function::new("cache_remove", &[STR, STR], ANY, cache::remove).checked(cache::check),
    Function::new("cache_fetch", &[STR, STR, VAR], ANY, cache::fetch).checked(cache::check),
    Function::new("cache_counter_fetch", &[STR, STR, VAR], ANY, cache::counter_fetch)
        .checked(cache::check),
    Function::new("cache_add", &[STR, STR, INT, INT, OPTIONAL_VAR], ANY, cache::add)
        .checked(cache::check),
    Function::new("cache_sub", &[STR, STR, INT, INT, OPTIONAL_VAR], ANY, cache::subtract)
        .checked(cache::check),
    Function::new("cache_raw_query", &[STR, STR, OPTIONAL_VERBATIM], ANY, cache::raw_query)
        .checked(cache::check_query),
];

/// What a function that cannot answer anything but yes or no returns.
const fn yes_or_no(yes: bool) -> Called {
    Called::Value(if yes { 1 } else { -1 })
}

#[cfg(test)]
mod tests;
