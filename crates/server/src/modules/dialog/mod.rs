//! `dialog`: what scripts do with dialogs (spec/dialog.md §14). The engine is `duologue-dialog`'s,
//! the bridge to it [`crate::dialogs`].

mod ending;
mod flags;
mod in_dialog;
mod json;
mod loaded;
mod matching;
mod profiles;
mod routes;
mod searches;
mod sequential;
mod settings;
mod sharing;
mod values;
mod variables;

use duologue_script::{FlagKind, Param, ParamKind, RouteKind, RouteKinds, Subname};

use crate::module::{Function, Module, Parameter, Variable};

pub(crate) use flags::number as number_flags;
pub use matching::after_loose_route;
pub(crate) use matching::find;
pub use settings::DialogSettings;

const STR: Param = Param::new(ParamKind::Str);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);
const INT: Param = Param::new(ParamKind::Int);
const OPTIONAL_INT: Param = Param::optional(ParamKind::Int);
const VAR: Param = Param::new(ParamKind::Var);
const FLAG: Param = Param::new(ParamKind::Flag(FlagKind::Dialog));
const OPTIONAL_ROUTE: Param = Param::optional(ParamKind::Route(RouteKind::Request));

const Q: RouteKinds = RouteKinds::REQUEST;
const QFBO: RouteKinds =
    Q.union(RouteKinds::FAILURE).union(RouteKinds::REPLY).union(RouteKinds::BRANCH);
const QFBOL: RouteKinds = QFBO.union(RouteKinds::LOCAL);
const ANY: RouteKinds = RouteKinds::all();

/// The declaration.
pub static MODULE: Module = Module {
    name: "dialog",
    functions: &[
        Function::new("create_dialog", &[OPTIONAL_STR], Q, matching::create_dialog)
            .checked(matching::check_flags)
            .modernised(matching::modern_flags),
        Function::new("match_dialog", &[OPTIONAL_STR], Q, matching::match_dialog)
            .checked(matching::check_mode),
        Function::new("validate_dialog", &[], Q, in_dialog::validate_dialog),
        Function::new("fix_route_dialog", &[], Q, in_dialog::fix_route_dialog),
        Function::new("dlg_inc_cseq", &[OPTIONAL_STR, OPTIONAL_INT], QFBOL, in_dialog::inc_cseq),
        Function::new(
            "dlg_send_sequential",
            &[STR, STR, OPTIONAL_STR, OPTIONAL_STR, OPTIONAL_STR],
            ANY,
            sequential::send,
        )
        .checked(sequential::check_leg),
        Function::new("set_dlg_sharing_tag", &[STR], Q, sharing::set_tag).noted(sharing::NOTE),
        Function::new("dlg_on_answer", &[OPTIONAL_ROUTE], QFBO, routes::dlg_on_answer),
        Function::new("dlg_on_timeout", &[OPTIONAL_ROUTE], QFBO, routes::dlg_on_timeout),
        Function::new("dlg_on_hangup", &[OPTIONAL_ROUTE], QFBO, routes::dlg_on_hangup),
        Function::new("dlg_bye", &[OPTIONAL_STR], ANY, ending::bye).checked(ending::check_byes),
        Function::new("store_dlg_value", &[STR, VAR], QFBOL, values::store_dlg_value),
        Function::new("fetch_dlg_value", &[STR, VAR], QFBOL, values::fetch_dlg_value),
        Function::new("set_dlg_flag", &[FLAG], QFBOL, flags::set),
        Function::new("reset_dlg_flag", &[FLAG], QFBOL, flags::reset),
        Function::new("is_dlg_flag_set", &[FLAG], QFBOL, flags::is_set),
        Function::new("test_and_set_dlg_flag", &[FLAG, INT], QFBOL, flags::test_and_set),
        Function::new("set_dlg_profile", &[STR, OPTIONAL_STR, OPTIONAL_INT], QFBO, profiles::set)
            .refers_to(profiles::check),
        Function::new("unset_dlg_profile", &[STR, OPTIONAL_STR], QFBO, profiles::unset)
            .refers_to(profiles::check),
        Function::new("is_in_profile", &[STR, OPTIONAL_STR], QFBO, profiles::is_in)
            .refers_to(profiles::check),
        Function::new("get_profile_size", &[STR, OPTIONAL_STR, VAR], ANY, profiles::size)
            .refers_to(profiles::check),
        Function::new("get_dialog_info", &[STR, VAR, STR, VAR, VAR], ANY, searches::info),
        Function::new("get_dialog_vals", &[VAR, VAR, STR], ANY, searches::values_of),
        Function::new("get_dialogs_by_val", &[STR, VAR, VAR, VAR], ANY, searches::by_value),
        Function::new(
            "get_dialogs_by_profile",
            &[STR, OPTIONAL_STR, VAR, VAR],
            ANY,
            searches::by_profile,
        )
        .refers_to(profiles::check),
        Function::new(
            "load_dialog_ctx",
            &[STR, OPTIONAL_STR, OPTIONAL_INT],
            ANY,
            loaded::load_dialog_ctx,
        )
        .checked(loaded::check_kind),
        Function::new("unload_dialog_ctx", &[], ANY, loaded::unload_dialog_ctx),
    ],
    variables: &[
        Variable::new(&["DLG_count"], variables::count),
        Variable::new(&["DLG_status"], variables::status),
        Variable::new(&["DLG_lifetime"], variables::lifetime),
        Variable::new(&["DLG_flags"], flags::read).writable(flags::assign),
        Variable::new(&["DLG_dir"], variables::dir),
        Variable::new(&["DLG_did"], variables::did),
        Variable::new(&["DLG_end_reason"], variables::end_reason),
        Variable::new(&["DLG_timeout"], variables::timeout).writable(variables::set_timeout),
        Variable::new(&["DLG_del_delay"], variables::del_delay).writable(variables::set_del_delay),
        Variable::new(&["DLG_options_ping_interval"], variables::options_ping)
            .writable(variables::set_options_ping),
        Variable::new(&["DLG_reinvite_ping_interval"], variables::reinvite_ping)
            .writable(variables::set_reinvite_ping),
        Variable::new(&["DLG_json"], json::dialog),
        Variable::new(&["DLG_ctx_json"], json::dialog_with_context),
        Variable::new(&["dlg_val"], values::value)
            .named(Subname::Required)
            .writable(values::set_value),
    ],
    parameters: &[
        Parameter::int("enable_stats")
            .without_effect(Some(1), "counting costs next to nothing, it is never off"),
        Parameter::int("hash_size"),
        Parameter::int("node_id"),
        Parameter::str("rr_param"),
        Parameter::int("default_timeout"),
        Parameter::int("dlg_match_mode"),
        Parameter::int("delete_delay"),
        Parameter::int("race_condition_timeout"),
        Parameter::int("early_timeout"),
        Parameter::int("noack_timeout"),
        Parameter::str("noack_action"),
        Parameter::str("late_answer"),
        Parameter::int("log_profile_hash_size"),
        Parameter::str("dlg_extra_hdrs"),
        Parameter::int("options_ping_interval"),
        Parameter::int("reinvite_ping_interval"),
        Parameter::int("ping_failures_max"),
        Parameter::str("keep_sdp"),
        Parameter::str("leg_target"),
        Parameter::int("auto_prack_hangup_on_failure"),
        Parameter::int("auto_prack_fr_timeout"),
        Parameter::str("profiles_with_value"),
        Parameter::str("profiles_no_value"),
        Parameter::int("event_id_format"),
        Parameter::planned("cluster_auto_sync"),
        Parameter::str("db_url"),
        Parameter::int("db_mode"),
        Parameter::int("db_update_period"),
        Parameter::int("db_flush_vals_profiles"),
        Parameter::int("timer_bulk_del_no")
            .without_effect(None, "removals travel with the other changes of their transaction"),
        Parameter::int("db_start_wait"),
        Parameter::int("db_probe_period"),
        Parameter::int("durable"),
        Parameter::int("durable_wait"),
        Parameter::str("durable_failure"),
        Parameter::str("table_name"),
        Parameter::str("dlg_id_column"),
        Parameter::str("call_id_column"),
        Parameter::str("from_uri_column"),
        Parameter::str("from_tag_column"),
        Parameter::str("to_uri_column"),
        Parameter::str("to_tag_column"),
        Parameter::str("from_cseq_column"),
        Parameter::str("to_cseq_column"),
        Parameter::str("from_route_column"),
        Parameter::str("to_route_column"),
        Parameter::str("from_contact_column"),
        Parameter::str("to_contact_column"),
        Parameter::str("from_sock_column"),
        Parameter::str("to_sock_column"),
        Parameter::str("state_column"),
        Parameter::str("start_time_column"),
        Parameter::str("timeout_column"),
        Parameter::str("vars_column"),
        Parameter::str("profiles_column"),
        Parameter::str("sflags_column"),
        Parameter::str("mflags_column"),
        Parameter::str("flags_column"),
        Parameter::planned("cachedb_url"),
        Parameter::planned("profile_value_prefix"),
        Parameter::planned("profile_no_value_prefix"),
        Parameter::planned("profile_size_prefix"),
        Parameter::planned("profile_timeout"),
        Parameter::planned("dialog_replication_cluster"),
        Parameter::planned("profile_replication_cluster"),
        Parameter::planned("replicate_profiles_timer"),
        Parameter::planned("replicate_profiles_check"),
        Parameter::planned("replicate_profiles_expire"),
        Parameter::planned("replicate_profiles_buffer"),
    ],
    asynchronous: &[],
    configure: settings::configure,
    start: settings::start,
    ..Module::EMPTY
};
