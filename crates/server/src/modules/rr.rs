//! `rr`: Record-Route and loose routing (RFC 3261 §16.4, §16.6 step 4, §16.12; spec/modules.md §2).

use duologue_dialog::Direction;
use duologue_script::{Args, Called, Param, ParamKind, Reading, RouteKinds, Text, VarAccess};
use duologue_sip::{HeaderName, Message, Uri};

use crate::context::Context;
use crate::module::{Function, Module, Parameter, Parameters, Settings, Variable};
use crate::record_route::Form;
use crate::sockets::Proto;

const STR: Param = Param::new(ParamKind::Str);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);
const QBF: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::BRANCH).union(RouteKinds::FAILURE);
const Q: RouteKinds = RouteKinds::REQUEST;

/// The declaration.
pub static MODULE: Module = Module {
    name: "rr",
    functions: &[
        Function::new("record_route", &[OPTIONAL_STR], QBF, record_route),
        Function::new("record_route_preset", &[STR, OPTIONAL_STR], QBF, record_route_preset),
        Function::new("add_rr_param", &[STR], QBF, add_rr_param),
        Function::new("loose_route", &[], Q, loose_route),
        Function::new("check_route_param", &[Param::new(ParamKind::Regex)], Q, check_route_param),
        Function::new("is_direction", &[STR], Q, is_direction).checked(check_direction),
    ],
    variables: &[Variable::new(&["rr_params"], rr_params)],
    parameters: &[
        Parameter::int("append_fromtag"),
        Parameter::int("enable_double_rr"),
        Parameter::int("add_username"),
        Parameter::int("enable_socket_mismatch_warning"),
    ],
    configure,
    ..Module::EMPTY
};

/// The module's parameters.
#[derive(Clone, Copy, Debug)]
pub struct RrSettings {
    /// Add `;ftag=` so that directions can be told.
    pub append_fromtag: bool,
    /// Two headers when a message changes sockets.
    pub enable_double_rr: bool,
    /// Put the Request-URI's user into our Record-Route.
    pub add_username: bool,
    /// Log when no socket matches a Route URI that is ours.
    pub enable_socket_mismatch_warning: bool,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    Ok(Box::new(RrSettings {
        append_fromtag: parameters.switch("append_fromtag", true),
        enable_double_rr: parameters.switch("enable_double_rr", true),
        add_username: parameters.switch("add_username", false),
        enable_socket_mismatch_warning: parameters.switch("enable_socket_mismatch_warning", true),
    }))
}

fn record_route(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    if ctx.draft.record_route.wanted.is_some() {
        return Called::Value(-1);
    }
    let settings = *ctx.turn.node.settings::<RrSettings>();
    let user = match ctx.request_uri() {
        Some(uri) if settings.add_username => {
            Uri::parse(uri).ok().and_then(|uri| uri.user()).unwrap_or_default().to_vec()
        }
        _ => Vec::new(),
    };
    let mut params = Vec::with_capacity(48);
    if settings.append_fromtag
        && let Some(tag) = ctx.message.from().ok().and_then(|from| from.tag())
    {
        params.extend_from_slice(b";ftag=");
        params.extend_from_slice(tag);
    }
    let record_route = &mut ctx.draft.record_route;
    params.append(&mut record_route.params);
    params.extend_from_slice(args.str(0).unwrap_or_default());
    record_route.params = params;
    record_route.wanted = Some(Form::Sockets { user, double: settings.enable_double_rr });
    Called::Value(1)
}

fn record_route_preset(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let settings = *ctx.turn.node.settings::<RrSettings>();
    let Some(first) = args.str(0) else { return Called::Value(-1) };
    let second = args.str(1).map(<[u8]>::to_vec);
    if ctx.draft.record_route.wanted.is_some() || (second.is_some() && !settings.enable_double_rr) {
        return Called::Value(-1);
    }
    ctx.draft.record_route.wanted = Some(Form::Preset(first.to_vec(), second));
    Called::Value(1)
}

fn add_rr_param(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(param) = args.str(0) else { return Called::Value(-1) };
    ctx.draft.record_route.params.extend_from_slice(param);
    Called::Value(1)
}

fn loose_route(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    Called::Value(if follow_route(ctx) { 1 } else { -1 })
}

/// RFC 3261 §16.4 and §16.12, in the steps of spec/modules.md §2.
fn follow_route(ctx: &mut Context<'_>) -> bool {
    let message = ctx.message;
    // A Route that cannot be read leads nowhere.
    if !message.has(HeaderName::Route) || message.routes().any(|route| route.is_err()) {
        return false;
    }
    let sequential = message.to().ok().and_then(|to| to.tag()).is_some();
    if sequential && request_uri_is_me(ctx) {
        from_strict_router(ctx);
        return true;
    }
    from_loose_router(ctx, sequential)
}

/// The previous hop was a strict router: our own Route stands in the Request-URI, the remote target
/// in the last Route (RFC 3261 §16.4).
fn from_strict_router(ctx: &mut Context<'_>) {
    let message = ctx.message;
    let consumed = ctx.request_uri().map(own_params).unwrap_or_default();
    let mut at = 0;
    if has_r2(&consumed)
        && let Some(second) = route(message, 0).filter(|second| is_me(ctx, second))
    {
        remove_route(ctx, 0);
        force_socket(ctx, second);
        at = 1;
    }
    let Some(next) = route(message, at) else { return finish(ctx, consumed) };
    if is_loose(next) {
        let last = message.routes().count().saturating_sub(1).max(at);
        ctx.draft.target.uri = route(message, last).map(<[u8]>::to_vec);
        remove_route(ctx, last);
        if last > at {
            ctx.draft.target.next_hop = Some(next.to_vec());
        }
    } else {
        ctx.draft.target.uri = Some(next.to_vec());
        remove_route(ctx, at);
    }
    finish(ctx, consumed);
}

/// The previous hop was a loose router, the usual case: our Routes go, the next one is the next hop.
fn from_loose_router(ctx: &mut Context<'_>, sequential: bool) -> bool {
    let message = ctx.message;
    let mut consumed = Vec::new();
    let mut at = 0;
    if let Some(own) = route(message, 0).filter(|own| is_me(ctx, own)) {
        consumed = own_params(own);
        remove_route(ctx, 0);
        at = 1;
        if has_r2(&consumed) {
            if let Some(second) = route(message, 1).filter(|second| is_me(ctx, second)) {
                remove_route(ctx, 1);
                force_socket(ctx, second);
                at = 2;
            }
        } else if sequential {
            ctx.draft.target.socket = Some(ctx.flow.socket);
        }
    }
    let Some(next) = route(message, at) else {
        // A preloaded route set that named only us leaves an initial request.
        if sequential {
            finish(ctx, consumed);
        }
        return sequential;
    };
    if is_loose(next) {
        ctx.draft.target.next_hop = Some(next.to_vec());
    } else {
        // RFC 3261 §16.6 step 6: a strict router wants the target at the end of the route set.
        if let Some(last) = message.last(HeaderName::Route) {
            let target = ctx.request_uri().unwrap_or_default().to_vec();
            let line: [&[u8]; 3] = [b"Route: <", &target, b">\r\n"];
            ctx.draft.edits.draft(message).insert_lines_after(&last, &line);
        }
        ctx.draft.target.uri = Some(next.to_vec());
        remove_route(ctx, at);
    }
    finish(ctx, consumed);
    true
}

/// The URI of the Route value at this place.
fn route<'m>(message: &Message<'m>, at: usize) -> Option<&'m [u8]> {
    message.routes().nth(at)?.ok().map(|route| route.uri_bytes())
}

fn remove_route(ctx: &mut Context<'_>, at: usize) {
    let message = ctx.message;
    ctx.draft.edits.draft(message).remove_value(HeaderName::Route, at);
}

/// The parameters of a URI of ours with their leading `;`.
fn own_params(uri: &[u8]) -> Vec<u8> {
    let Ok(uri) = Uri::parse(uri) else { return Vec::new() };
    let params = uri.params().as_bytes();
    match params {
        [] | [b';', ..] => params.to_vec(),
        _ => [b";", params].concat(),
    }
}

/// Stores our own parameters and lets the dialog module look at them before the script goes on.
fn finish(ctx: &mut Context<'_>, consumed: Vec<u8>) {
    ctx.draft.route_params = Some(consumed);
    super::dialog::after_loose_route(ctx);
}

fn request_uri_is_me(ctx: &Context<'_>) -> bool {
    let Some(uri) = ctx.request_uri() else { return false };
    let Ok(parsed) = Uri::parse(uri) else { return false };
    // RFC 5627: a GRUU of ours is a target, not a strict router's doing.
    !parsed.params().has(b"gr") && is_me(ctx, uri)
}

fn is_me(ctx: &Context<'_>, uri: &[u8]) -> bool {
    let Ok(uri) = Uri::parse(uri) else { return false };
    let proto = uri.transport().and_then(Proto::from_name);
    ctx.turn.node.sockets.is_me(uri.host(), uri.port(), proto)
}

fn is_loose(uri: &[u8]) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.is_loose())
}

fn has_r2(params: &[u8]) -> bool {
    duologue_sip::Params::of_uri(params).has(b"r2")
}

fn force_socket(ctx: &mut Context<'_>, uri: &[u8]) {
    let Ok(uri) = Uri::parse(uri) else { return };
    let proto = uri.transport().and_then(Proto::from_name).unwrap_or(Proto::Udp);
    match ctx.turn.node.sockets.find(proto, uri.host(), uri.port()) {
        Some(socket) => ctx.draft.target.socket = Some(socket),
        None if ctx.turn.node.settings::<RrSettings>().enable_socket_mismatch_warning => {
            let uri = String::from_utf8_lossy(uri.as_bytes());
            tracing::warn!(%uri, "no socket matches this Route of ours");
        }
        None => {}
    }
}

fn check_route_param(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let found = match (&ctx.draft.route_params, args.regex(0)) {
        (Some(params), Some(pattern)) => pattern.is_match(params),
        _ => false,
    };
    Called::Value(if found { 1 } else { -1 })
}

/// The direction of a request by the `ftag` in our Route: downstream if it is the From tag, or if
/// there is none.
pub fn direction(ctx: &Context<'_>) -> Direction {
    let params = ctx.draft.route_params.as_deref().unwrap_or_default();
    let ftag = duologue_sip::Params::of_uri(params).get(b"ftag");
    match (ftag, ctx.message.from().ok().and_then(|from| from.tag())) {
        (Some(ftag), tag) if tag != Some(ftag) => Direction::Upstream,
        _ => Direction::Downstream,
    }
}

fn is_direction(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let wanted = args.str(0).unwrap_or_default();
    let is = direction(ctx).as_str().as_bytes().eq_ignore_ascii_case(wanted);
    Called::Value(if is { 1 } else { -1 })
}

fn check_direction(_: usize, text: &str) -> Result<(), String> {
    match text {
        "upstream" | "downstream" => Ok(()),
        _ => Err("a direction is \"upstream\" or \"downstream\"".to_owned()),
    }
}

fn rr_params(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    match ctx.draft.route_params.as_deref() {
        None | Some([]) => Reading::Null,
        Some(params) => {
            out.push(params);
            Reading::Str
        }
    }
}
