//! `dialog`: what scripts do with dialogs (spec/dialog.md §14). The engine is `duologue-dialog`'s,
//! the bridge to it [`crate::dialogs`].

use duologue_dialog::{
    Dialog, DialogFlags, Gone, KeepSdp, LateAnswer, LegTarget, MatchMode, NoAckAction, RouteHook,
    State, Value as DialogValue,
};
use duologue_script::{
    Args, Assign, Called, Param, ParamKind, Reading, RouteId, RouteKind, RouteKinds, Subname, Text,
    Value, VarAccess, WriteError,
};
use duologue_sip::Params;

use crate::context::Context;
use crate::dialogs::{self, Again};
use crate::in_dialog;
use crate::module::{Function, Module, Parameter, Parameters, Settings, Variable};

const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);
const OPTIONAL_ROUTE: Param = Param::optional(ParamKind::Route(RouteKind::Request));
const STR: Param = Param::new(ParamKind::Str);
const VAR: Param = Param::new(ParamKind::Var);
const Q: RouteKinds = RouteKinds::REQUEST;
const RFOB: RouteKinds =
    Q.union(RouteKinds::FAILURE).union(RouteKinds::REPLY).union(RouteKinds::BRANCH);
const VALUES: RouteKinds = RouteKinds::REQUEST
    .union(RouteKinds::FAILURE)
    .union(RouteKinds::REPLY)
    .union(RouteKinds::BRANCH)
    .union(RouteKinds::LOCAL);

/// The declaration.
pub static MODULE: Module = Module {
    name: "dialog",
    functions: &[
        Function::new("create_dialog", &[OPTIONAL_STR], Q, create_dialog).checked(check_flags),
        Function::new("match_dialog", &[OPTIONAL_STR], Q, match_dialog).checked(check_mode),
        Function::new("validate_dialog", &[], Q, validate_dialog),
        Function::new("fix_route_dialog", &[], Q, fix_route_dialog),
        Function::new("dlg_on_answer", &[OPTIONAL_ROUTE], RFOB, dlg_on_answer),
        Function::new("dlg_on_timeout", &[OPTIONAL_ROUTE], RFOB, dlg_on_timeout),
        Function::new("dlg_on_hangup", &[OPTIONAL_ROUTE], RFOB, dlg_on_hangup),
        Function::new("store_dlg_value", &[STR, VAR], VALUES, store_dlg_value),
        Function::new("fetch_dlg_value", &[STR, VAR], VALUES, fetch_dlg_value),
    ],
    variables: &[
        Variable::new(&["DLG_count"], count),
        Variable::new(&["DLG_status"], status),
        Variable::new(&["DLG_lifetime"], lifetime),
        Variable::new(&["DLG_dir"], dir),
        Variable::new(&["DLG_did"], did),
        Variable::new(&["DLG_end_reason"], end_reason),
        Variable::new(&["DLG_timeout"], timeout).writable(set_timeout),
        Variable::new(&["dlg_val"], value).named(Subname::Required).writable(set_value),
    ],
    parameters: &[
        Parameter::int("enable_stats"),
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
        Parameter::planned("profiles_with_value"),
        Parameter::planned("profiles_no_value"),
        Parameter::planned("event_id_format"),
        Parameter::planned("cluster_auto_sync"),
        Parameter::planned("db_url"),
        Parameter::planned("db_mode"),
        Parameter::planned("db_update_period"),
        Parameter::planned("db_flush_vals_profiles"),
        Parameter::planned("timer_bulk_del_no"),
        Parameter::planned("table_name"),
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
    configure,
    ..Module::EMPTY
};

/// The module's parameters are the engine's settings.
pub type DialogSettings = duologue_dialog::Settings;

/// The longest name of the did parameter (spec/dialog.md §4.3).
const RR_PARAM_MAX: usize = 32;

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let default = DialogSettings::default();
    let mode = parameters.at_least("dlg_match_mode", 1, 0)?;
    let rr_param = parameters.str("rr_param").unwrap_or(&default.rr_param).to_owned();
    if rr_param.is_empty() || rr_param.len() > RR_PARAM_MAX {
        return Err(format!("rr_param must have 1 to {RR_PARAM_MAX} characters"));
    }
    let optional = |name: &str, default: Option<u32>| match parameters.int(name) {
        None => Ok(default),
        Some(0) => Ok(None),
        Some(_) => parameters.at_least(name, 1, 1).map(Some),
    };
    Ok(Box::new(DialogSettings {
        default_timeout: parameters.at_least("default_timeout", 43_200, 1)?,
        match_mode: MatchMode::from_number(mode)
            .ok_or_else(|| format!("dlg_match_mode must be 0, 1 or 2, not {mode}"))?,
        rr_param,
        early_timeout: optional("early_timeout", default.early_timeout)?,
        noack_timeout: optional("noack_timeout", default.noack_timeout)?,
        noack_action: match parameters.str("noack_action") {
            None | Some("log") => NoAckAction::Log,
            Some("bye") => NoAckAction::Bye,
            Some(other) => {
                return Err(format!("noack_action is \"log\" or \"bye\", not \"{other}\""));
            }
        },
        late_answer: match parameters.str("late_answer") {
            None | Some("relay") => LateAnswer::Relay,
            Some("release") => LateAnswer::Release,
            Some(other) => {
                return Err(format!("late_answer is \"relay\" or \"release\", not \"{other}\""));
            }
        },
        options_ping_interval: parameters.at_least("options_ping_interval", 30, 1)?,
        reinvite_ping_interval: parameters.at_least("reinvite_ping_interval", 300, 1)?,
        ping_failures_max: parameters.at_least("ping_failures_max", 2, 1)?,
        keep_sdp: keep_sdp(parameters)?,
        leg_target: leg_target(parameters)?,
        extra_headers: extra_headers(parameters)?,
        auto_prack_hangup_on_failure: parameters.switch("auto_prack_hangup_on_failure", false),
        auto_prack_fr_timeout: parameters.at_least("auto_prack_fr_timeout", 3, 1)?,
        race_condition_timeout: parameters.at_least("race_condition_timeout", 5, 1)?,
        delete_delay: parameters.at_least("delete_delay", 0, 0)?,
        hash_size: parameters.at_least("hash_size", 4096, 1)?,
        node_id: node_id(parameters)?,
        log_profile_hash_size: parameters.at_least("log_profile_hash_size", 4, 0)?,
        ..default
    }))
}

fn keep_sdp(parameters: &Parameters<'_>) -> Result<KeepSdp, String> {
    match parameters.str("keep_sdp") {
        None | Some("auto") => Ok(KeepSdp::Auto),
        Some("always") => Ok(KeepSdp::Always),
        Some("never") => Ok(KeepSdp::Never),
        Some(other) => {
            Err(format!("keep_sdp is \"auto\", \"always\" or \"never\", not \"{other}\""))
        }
    }
}

fn leg_target(parameters: &Parameters<'_>) -> Result<LegTarget, String> {
    match parameters.str("leg_target") {
        None | Some("contact") => Ok(LegTarget::Contact),
        Some("flow") => Ok(LegTarget::Flow),
        Some(other) => Err(format!("leg_target is \"contact\" or \"flow\", not \"{other}\"")),
    }
}

/// spec/dialog.md §6.4: lines of BYEs, verbatim.
fn extra_headers(parameters: &Parameters<'_>) -> Result<Box<[u8]>, String> {
    let lines = parameters.str("dlg_extra_hdrs").unwrap_or_default().as_bytes();
    if duologue_dialog::are_header_lines(lines) {
        Ok(lines.into())
    } else {
        Err("each line of dlg_extra_hdrs ends in \\r\\n".to_owned())
    }
}

/// Which of several nodes this is: 0 to 255, or none.
fn node_id(parameters: &Parameters<'_>) -> Result<Option<u8>, String> {
    let number = |id| u8::try_from(id).map_err(|_| format!("node_id is 0 to 255, not {id}"));
    parameters.int("node_id").map(number).transpose()
}

/// Called by `loose_route()` with our own Route's parameters: the usual way to a dialog.
pub fn after_loose_route(ctx: &mut Context<'_>) {
    let mode = ctx.turn.node.dialogs.settings().match_mode;
    find(ctx, mode);
}

/// Finds the dialog of the context's request; true if there is one now.
pub(crate) fn find(ctx: &mut Context<'_>, mode: MatchMode) -> bool {
    let name = ctx.turn.node.dialogs.settings().rr_param.as_bytes();
    let params = ctx.draft.route_params.take();
    let from_route = params.as_deref().and_then(|params| Params::of_uri(params).get(name));
    let did = from_route.map(<[u8]>::to_vec);
    ctx.draft.route_params = params;
    let did = did.or_else(|| did_outside_route(ctx));
    dialogs::match_request(ctx, did.as_deref(), mode)
}

/// spec/dialog.md §4.4: without a Route, the did may stand in a Request-URI of ours, as a parameter
/// or within the user part.
fn did_outside_route(ctx: &Context<'_>) -> Option<Vec<u8>> {
    if ctx.message.has(duologue_sip::HeaderName::Route) {
        return None;
    }
    let uri = ctx.message.uri().ok()?;
    if !ctx.turn.node.sockets.is_me(uri.host(), uri.port(), None) {
        return None;
    }
    let name = ctx.turn.node.dialogs.settings().rr_param.as_bytes();
    if let Some(did) = uri.params().get(name) {
        return Some(did.to_vec());
    }
    let marker = [b".", name, b"."].concat();
    let user = uri.user()?;
    let at = user.windows(marker.len()).position(|window| window == marker)?;
    Some(user[at + marker.len()..].to_vec())
}

fn create_dialog(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let text = args.str(0).unwrap_or_default();
    let Some(flags) = std::str::from_utf8(text).ok().and_then(DialogFlags::parse_create) else {
        return Called::Value(-1);
    };
    match dialogs::create(ctx, flags, Again::Replace) {
        Ok(_) => Called::Value(1),
        Err(error) => {
            tracing::warn!(call_id = %ctx.turn.call_id(), "create_dialog(): {error}");
            Called::Value(-1)
        }
    }
}

fn check_flags(_: usize, text: &str) -> Result<(), String> {
    match DialogFlags::parse_create(text) {
        Some(_) => Ok(()),
        None => Err("flags of create_dialog() are options-ping-caller, options-ping-callee, \
                     reinvite-ping-caller, reinvite-ping-callee, bye-on-timeout, \
                     end-on-race-condition and auto-prack, separated by commas"
            .to_owned()),
    }
}

fn match_dialog(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let mode = match args.str(0).map(|name| std::str::from_utf8(name).unwrap_or_default()) {
        None => ctx.turn.node.dialogs.settings().match_mode,
        Some(name) => match MatchMode::from_name(name) {
            Some(mode) => mode,
            None => return Called::Value(-1),
        },
    };
    Called::Value(if find(ctx, mode) { 1 } else { -1 })
}

fn check_mode(_: usize, text: &str) -> Result<(), String> {
    match MatchMode::from_name(text) {
        Some(_) => Ok(()),
        None => Err("a mode is did_only, did_fallback or did_none".to_owned()),
    }
}

fn dlg_on_answer(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    set_route(ctx, args, RouteHook::Answer)
}

fn dlg_on_timeout(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    set_route(ctx, args, RouteHook::Timeout)
}

fn dlg_on_hangup(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    set_route(ctx, args, RouteHook::Hangup)
}

/// spec/dialog.md §14: while the call is not answered; without a route, none runs any more.
fn set_route(ctx: &mut Context<'_>, args: &Args<'_>, hook: RouteHook) -> Called {
    let route = args.route(0).map(RouteId::number);
    let set = ctx.dialog().map(|dialog| dialog.set_route(hook, route));
    Called::Value(if set == Some(Ok(true)) { 1 } else { -1 })
}

/// spec/dialog.md §8: what is wrong with a request within its dialog, as a number.
fn validate_dialog(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let code = match in_dialog::validate(ctx) {
        Ok(()) => 1,
        Err(invalid) => {
            tracing::debug!(call_id = %ctx.turn.call_id(), "validate_dialog(): {invalid}");
            invalid.code()
        }
    };
    Called::Value(code)
}

fn fix_route_dialog(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    match in_dialog::fix_route(ctx) {
        Ok(()) => Called::Value(1),
        Err(error) => {
            tracing::debug!(call_id = %ctx.turn.call_id(), "fix_route_dialog(): {error}");
            Called::Value(-1)
        }
    }
}

fn number(value: Result<u64, Gone>) -> Reading {
    match value {
        Ok(number) => Reading::Int(i32::try_from(number).unwrap_or(i32::MAX)),
        Err(Gone) => Reading::Null,
    }
}

fn count(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(Ok(ctx.turn.node.dialogs.active_count()))
}

fn status(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    match ctx.dialog().map(|dialog| dialog.state()) {
        Some(Ok(state)) => Reading::Int(state as i32),
        // Only a tombstone is left of it.
        Some(Err(Gone)) => Reading::Int(State::Deleted as i32),
        None => Reading::Null,
    }
}

fn lifetime(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    let now = ctx.turn.now;
    ctx.dialog().map_or(Reading::Null, |dialog| number(dialog.duration(now)))
}

fn dir(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(direction) = ctx.direction() else { return Reading::Null };
    out.push(direction.as_str().as_bytes());
    Reading::Str
}

fn did(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(dialog) = ctx.dialog() else { return Reading::Null };
    out.push(dialog.id().did().as_bytes());
    Reading::Str
}

fn end_reason(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(Ok(Some(reason))) = ctx.dialog().map(|dialog| dialog.end_reason()) else {
        return Reading::Null;
    };
    out.push(reason.as_str().as_bytes());
    Reading::Str
}

fn timeout(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    let now = ctx.turn.now;
    match ctx.dialog() {
        Some(dialog) => number(dialog.timeout(now)),
        None => {
            ctx.draft.dialog_timeout.map_or(Reading::Null, |seconds| number(Ok(seconds.into())))
        }
    }
}

/// spec/dialog.md §5: a number of seconds, as an integer or as text.
fn set_timeout(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let text = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<u32>().ok();
    let seconds = match value {
        Value::Null => return Err(WriteError::NotNull),
        Value::Int(number) | Value::StrInt(_, number) => u32::try_from(number).ok(),
        Value::Str(digits) => text(digits),
    };
    let seconds = seconds.ok_or(WriteError::BadValue)?;
    let now = ctx.turn.now;
    match ctx.dialog() {
        Some(dialog) => dialog.set_timeout(now, seconds).map_err(|Gone| WriteError::Missing),
        None => {
            ctx.draft.dialog_timeout = Some(seconds);
            Ok(())
        }
    }
}

fn value(ctx: &mut Context<'_>, access: &VarAccess<'_>, out: &mut Text) -> Reading {
    let (Some(name), Some(dialog)) = (access.name, ctx.dialog()) else { return Reading::Null };
    match dialog.fetch_value(name) {
        Ok(Some(DialogValue::Int(number))) => Reading::Int(number),
        Ok(Some(value)) => {
            out.push(value.as_bytes().unwrap_or_default());
            Reading::Str
        }
        Ok(None) | Err(Gone) => Reading::Null,
    }
}

fn set_value(
    ctx: &mut Context<'_>,
    access: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let name = access.name.ok_or(WriteError::BadValue)?;
    let dialog = ctx.dialog().ok_or(WriteError::Missing)?;
    store(&dialog, name, value)
}

fn store(dialog: &Dialog, name: &[u8], value: Value<'_>) -> Result<(), WriteError> {
    let stored = match value {
        Value::Null => {
            return dialog.remove_value(name).map(|_| ()).map_err(|Gone| WriteError::Missing);
        }
        Value::Int(number) => dialog.store_value(name, DialogValue::Int(number)),
        Value::Str(text) | Value::StrInt(text, _) => {
            dialog.store_value(name, DialogValue::from(text.to_vec()))
        }
    };
    stored.map_err(|_| WriteError::BadValue)
}

fn store_dlg_value(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(dialog)) = (args.str(0), ctx.dialog()) else { return Called::Value(-1) };
    let mut text = Text::new(crate::core::EXPANSION_MAX);
    let value = match args.load(ctx, 1, &mut text) {
        Reading::Null => Value::Null,
        Reading::Int(number) => Value::Int(number),
        Reading::Str | Reading::StrInt(_) => Value::Str(text.as_bytes()),
    };
    Called::Value(if store(&dialog, name, value).is_ok() { 1 } else { -1 })
}

fn fetch_dlg_value(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(dialog)) = (args.str(0), ctx.dialog()) else { return Called::Value(-1) };
    let Ok(Some(found)) = dialog.fetch_value(name) else { return Called::Value(-1) };
    let value = match &found {
        DialogValue::Int(number) => Value::Int(*number),
        value => Value::Str(value.as_bytes().unwrap_or_default()),
    };
    Called::Value(if args.store(ctx, 1, value).is_ok() { 1 } else { -1 })
}
