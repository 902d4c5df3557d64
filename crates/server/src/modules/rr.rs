//! `rr`: Record-Route and loose routing (RFC 3261 §16.4, §16.6 step 4, §16.12; spec/modules.md §2).

use duologue_dialog::Direction;
use duologue_script::{Args, Called, Param, ParamKind, Reading, RouteKinds, Text, VarAccess};
use duologue_sip::{HeaderName, Message, NameAddr, Uri};
use smallvec::SmallVec;

use crate::context::Context;
use crate::module::{Function, Host, Module, Parameter, Parameters, Refusal, Settings, Variable};
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
        Parameter::str("ignore_user").without_effect(
            None,
            "whether a Route is ours, its host and port tell; its user may be any",
        ),
    ],
    configure,
    meet,
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

/// spec/modules.md §2: directions are told by the From tag in our Record-Route.
fn meet(host: &Host<'_>) -> Result<(), Refusal> {
    let node = host.node;
    let asks = node.catalog.function_named("is_direction").is_some_and(|id| host.program.needs(id));
    if asks && !host.settings::<RrSettings>().append_fromtag {
        return Err("is_direction() needs append_fromtag=1".into());
    }
    Ok(())
}

fn record_route(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let double = ctx.turn.node.settings::<RrSettings>().enable_double_rr;
    ask(ctx, args.str(0).unwrap_or_default(), |user| Form::Sockets { user, double })
}

fn record_route_preset(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(first) = args.str(0).map(<[u8]>::to_vec) else { return Called::Value(-1) };
    let second = args.str(1).map(<[u8]>::to_vec);
    if second.is_some() && !ctx.turn.node.settings::<RrSettings>().enable_double_rr {
        return Called::Value(-1);
    }
    ask(ctx, b"", |user| Form::Preset { user, first, second })
}

/// Asks for the header, once per message: the From tag goes before all other parameters.
fn ask(ctx: &mut Context<'_>, params: &[u8], form: impl FnOnce(Vec<u8>) -> Form) -> Called {
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
    let mut all = Vec::with_capacity(48);
    if settings.append_fromtag
        && let Some(tag) = ctx.message.from().ok().and_then(|from| from.tag())
    {
        all.extend_from_slice(b";ftag=");
        all.extend_from_slice(tag);
    }
    let record_route = &mut ctx.draft.record_route;
    all.append(&mut record_route.params);
    all.extend_from_slice(params);
    record_route.params = all;
    record_route.wanted = Some(form(user));
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

/// How a request came here (RFC 3261 §16.4, §16.12; spec/modules.md §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Path {
    /// The previous hop was a strict router: our own Route stands in the Request-URI, the remote
    /// target in the last Route.
    strict: bool,
    /// How many Routes on top are ours.
    own: usize,
}

impl Path {
    /// The path of a request with this Request-URI.
    fn of(ctx: &Context<'_>, request_uri: &[u8]) -> Self {
        let own_second = |first: &Uri<'_>, second| {
            first.r2().is_some() && route(ctx.message, second).is_some_and(|uri| is_me(ctx, uri))
        };
        if is_sequential(ctx)
            && let Some(uri) = mine(ctx, request_uri)
            // RFC 5627: a GRUU of ours is a target, not a strict router's doing.
            && !uri.params().has(b"gr")
            && ctx.message.has(HeaderName::Route)
        {
            return Self { strict: true, own: usize::from(own_second(&uri, 0)) };
        }
        match route(ctx.message, 0).and_then(|uri| mine(ctx, uri)) {
            Some(uri) => Self { strict: false, own: 1 + usize::from(own_second(&uri, 1)) },
            None => Self { strict: false, own: 0 },
        }
    }
}

/// How the sender of a request routed it (spec/dialog.md §16 item 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<'m> {
    /// The remote target: the Request-URI, or the last Route if that comes from a strict router.
    pub remote_target: &'m [u8],
    /// The URIs of the Routes that are left without ours and the remote target, top first; an empty
    /// one for what cannot be read.
    pub routes: SmallVec<[&'m [u8]; 8]>,
}

/// How the sender routed this request, whatever the script did to it since and whether or not
/// `loose_route()` ran.
pub fn received<'m>(ctx: &Context<'m>) -> Received<'m> {
    let message = ctx.message;
    let Path { strict, own } = Path::of(ctx, message.uri_bytes());
    let uri = |route: Result<NameAddr<'m>, _>| route.map_or(&b""[..], |route| route.uri_bytes());
    let mut routes: SmallVec<[&'m [u8]; 8]> = message.routes().skip(own).map(uri).collect();
    let target = if strict { routes.pop() } else { None };
    Received { remote_target: target.unwrap_or_else(|| message.uri_bytes()), routes }
}

/// RFC 3261 §16.4 and §16.12, in the steps of spec/modules.md §2.
fn follow_route(ctx: &mut Context<'_>) -> bool {
    let message = ctx.message;
    if !message.has(HeaderName::Route) {
        return false;
    }
    // A Route that cannot be read leads nowhere.
    if let Some(error) = message.routes().find_map(Result::err) {
        ctx.malformed(error);
        return false;
    }
    let path = Path::of(ctx, ctx.request_uri().unwrap_or_default());
    if path.strict {
        from_strict_router(ctx, path.own);
        return true;
    }
    from_loose_router(ctx, path.own)
}

/// The previous hop was a strict router: the Routes behind our `own` lead on, the last of them is
/// the remote target (RFC 3261 §16.4).
fn from_strict_router(ctx: &mut Context<'_>, own: usize) {
    let message = ctx.message;
    let consumed = ctx.request_uri().map(own_params).unwrap_or_default();
    consume(ctx, own, own > 0);
    let Some(next) = route(message, own) else { return finish(ctx, consumed) };
    if is_loose(next) {
        let last = message.routes().count().saturating_sub(1).max(own);
        ctx.draft.target.uri = route(message, last).map(<[u8]>::to_vec);
        remove_route(ctx, last);
        if last > own {
            ctx.draft.target.next_hop = Some(next.to_vec());
        }
    } else {
        ctx.draft.target.uri = Some(next.to_vec());
        remove_route(ctx, own);
    }
    finish(ctx, consumed);
}

/// The previous hop was a loose router, the usual case: our `own` Routes go, the one behind them is
/// the next hop.
fn from_loose_router(ctx: &mut Context<'_>, own: usize) -> bool {
    let message = ctx.message;
    let sequential = is_sequential(ctx);
    let first = route(message, 0).filter(|_| own > 0);
    let consumed = first.map(own_params).unwrap_or_default();
    consume(ctx, own, own > 1);
    if own == 1 && sequential && !has_r2(&consumed) {
        ctx.draft.target.socket = Some(ctx.flow.socket);
    }
    let Some(next) = route(message, own) else {
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
        let target = ctx.request_uri().unwrap_or_default().to_vec();
        ctx.draft.target.uri = Some(next.to_vec());
        remove_route(ctx, own);
        append_route(ctx, own, &target);
    }
    finish(ctx, consumed);
    true
}

/// Takes our Routes off; the last of a pair names the socket on the other side.
fn consume(ctx: &mut Context<'_>, own: usize, paired: bool) {
    for at in 0..own {
        remove_route(ctx, at);
    }
    if paired && let Some(last) = route(ctx.message, own - 1) {
        force_socket(ctx, last);
    }
}

/// Puts a URI behind all Routes; those up to `removed` are gone. The last line is written anew, so
/// that whoever removes it removes this one too.
fn append_route(ctx: &mut Context<'_>, removed: usize, uri: &[u8]) {
    let message = ctx.message;
    let Some(last) = message.last(HeaderName::Route) else { return };
    let line = last.value_span();
    let mut value: Vec<&[u8]> = vec![b"Route: "];
    for kept in message.values(HeaderName::Route).skip(removed + 1) {
        if message.span_of(kept.bytes).is_some_and(|span| span.start >= line.start) {
            value.extend([kept.bytes, b", "]);
        }
    }
    value.extend([b"<", uri, b">\r\n"]);
    ctx.draft.edits.replace(last.span(), &value);
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

fn is_sequential(ctx: &Context<'_>) -> bool {
    ctx.message.to().ok().and_then(|to| to.tag()).is_some()
}

/// The URI, if it is one of ours.
fn mine<'u>(ctx: &Context<'_>, uri: &'u [u8]) -> Option<Uri<'u>> {
    let uri = Uri::parse(uri).ok()?;
    let proto = uri.transport().and_then(Proto::from_name);
    ctx.turn.node.sockets.is_me(uri.host(), uri.port(), proto).then_some(uri)
}

fn is_me(ctx: &Context<'_>, uri: &[u8]) -> bool {
    mine(ctx, uri).is_some()
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
