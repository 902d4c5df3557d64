//! `registrar`: REGISTER requests in, bindings out (RFC 3261 §10; spec/modules.md §12). What is bound
//! stands in [`usrloc`](super::usrloc).

mod answer;
mod aor;
mod gruu;
mod lookup;
mod lookup_flags;
mod next_hop;
mod patterns;
mod push;
mod query;
mod removal;
mod request;
mod save;
mod save_flags;

use std::sync::{Arc, OnceLock};

use duologue_script::{
    Args, Called, FlagKind, Param, ParamKind, RouteKinds, Value, limits::AVPS_MAX,
};
use duologue_usrloc::{Contact, Table};

use super::usrloc::Usrloc;
use crate::context::Context;
use crate::module::{Function, Host, Module, Parameter, Parameters, Refusal, Settings};
pub use answer::q_text;
use aor::AorRules;
use gruu::{Gruus, Nobody, Phone};
use patterns::Patterns;
use push::Push;

const STATIC: Param = Param::new(ParamKind::Static);
const STR: Param = Param::new(ParamKind::Str);
const INT: Param = Param::new(ParamKind::Int);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);
const VAR: Param = Param::new(ParamKind::AnyVar);
const OPTIONAL_VAR: Param = Param::optional(ParamKind::AnyVar);

const QR: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::REPLY);
const QFR: RouteKinds = QR.union(RouteKinds::FAILURE);
const QFBRL: RouteKinds = QFR.union(RouteKinds::BRANCH).union(RouteKinds::LOCAL);

/// The functions that name a table, and the position of the name: the tables that there are.
pub(super) const TABLES: &[(&str, usize)] = &[
    ("save", 0),
    ("lookup", 0),
    ("remove", 0),
    ("remove_ip_port", 2),
    ("is_registered", 0),
    ("is_contact_registered", 0),
    ("is_ip_registered", 0),
];

/// The declaration.
pub static MODULE: Module = Module {
    name: "registrar",
    functions: &[
        Function::new("save", &[STATIC, OPTIONAL_STR, OPTIONAL_STR, OPTIONAL_STR], QR, save::save)
            .checked(save::check)
            .modernised(save::modern),
        Function::new("lookup", &[STATIC, OPTIONAL_STR, OPTIONAL_STR], QFR, lookup::lookup)
            .checked(lookup::check)
            .modernised(lookup::modern),
        Function::new(
            "remove",
            &[STATIC, STR, OPTIONAL_STR, OPTIONAL_STR, OPTIONAL_STR, OPTIONAL_STR],
            QR,
            removal::remove,
        ),
        Function::new(
            "remove_ip_port",
            &[STR, INT, STATIC, OPTIONAL_STR],
            RouteKinds::all(),
            removal::remove_ip_port,
        )
        .checked(removal::check_ip),
        Function::new("is_registered", &[STATIC, OPTIONAL_STR], QFBRL, query::is_registered),
        Function::new(
            "is_contact_registered",
            &[STATIC, OPTIONAL_STR, OPTIONAL_STR, OPTIONAL_STR],
            QFBRL,
            query::is_contact_registered,
        ),
        Function::new(
            "is_ip_registered",
            &[STATIC, OPTIONAL_STR, VAR, OPTIONAL_VAR],
            QFBRL,
            query::is_ip_registered,
        ),
        Function::new("add_sock_hdr", &[STR], QFBRL, add_sock_hdr),
    ],
    parameters: &[
        Parameter::int("default_expires"),
        Parameter::int("min_expires"),
        Parameter::int("max_expires"),
        Parameter::int("default_q"),
        Parameter::int("max_contacts"),
        Parameter::int("case_sensitive"),
        // A connection that outlives its transaction: there are none over UDP.
        Parameter::flag("tcp_persistent_flag", FlagKind::Message),
        Parameter::str("realm_prefix"),
        Parameter::str("received_param"),
        Parameter::str("received_avp"),
        Parameter::int("retry_after"),
        Parameter::str("sock_hdr_name"),
        Parameter::str("mcontact_avp"),
        Parameter::str("attr_avp"),
        Parameter::int("disable_gruu"),
        Parameter::str("gruu_secret"),
        Parameter::int("pn_enable"),
        Parameter::str("pn_providers"),
        Parameter::str("pn_ct_match_params"),
        Parameter::int("pn_pnsreg_interval"),
        Parameter::int("pn_trigger_interval"),
        Parameter::int("pn_skip_pn_interval"),
        Parameter::int("pn_refresh_timeout"),
        Parameter::int("pn_enable_purr"),
    ],
    asynchronous: push::ASYNC,
    tasks: &[push::TASK],
    configure,
    start,
    ..Module::EMPTY
};

/// The module's parameters.
#[derive(Debug)]
pub struct Registrar {
    /// How long a binding holds if the phone does not say, in seconds.
    pub default_expires: u32,
    /// The shortest and the longest time that is granted, in seconds; `max_expires` 0 is no limit.
    pub min_expires: u32,
    /// See `min_expires`.
    pub max_expires: u32,
    /// How many contacts a user may have; 0 is no limit but that of the location.
    pub max_contacts: u32,
    default_q: i16,
    case_sensitive: bool,
    realm_prefix: Vec<u8>,
    received_param: String,
    received_avp: Option<Vec<u8>>,
    retry_after: u32,
    sock_hdr_name: Option<String>,
    mcontact_avp: Option<Vec<u8>>,
    attr_avp: Option<Vec<u8>>,
    /// `None` if they are disabled.
    gruus: Option<Secret>,
    patterns: Patterns,
    /// `None` if push notifications are disabled.
    push: Option<Push>,
}

/// What GRUUs are made with.
#[derive(Debug, Default)]
struct Secret {
    given: Option<String>,
    gruus: OnceLock<Gruus>,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let default_q = parameters.int("default_q").unwrap_or(-1);
    let text = |name: &str| parameters.str(name).filter(|text| !text.is_empty());
    let received_param = text("received_param").unwrap_or("received").to_owned();
    if !is_token(&received_param) {
        return Err(format!("received_param: \"{received_param}\" is no name of a parameter"));
    }
    let sock_hdr_name = text("sock_hdr_name").map(str::to_owned);
    if let Some(name) = sock_hdr_name.as_deref().filter(|name| !is_token(name)) {
        return Err(format!("sock_hdr_name: \"{name}\" is no name of a header"));
    }
    let min_expires = parameters.at_least("min_expires", 60, 0)?;
    let max_expires = parameters.at_least("max_expires", 0, 0)?;
    if max_expires != 0 && max_expires < min_expires {
        return Err(format!("max_expires {max_expires} is below min_expires {min_expires}"));
    }
    Ok(Box::new(Registrar {
        default_expires: parameters.at_least("default_expires", 3600, 1)?,
        min_expires,
        max_expires,
        max_contacts: parameters.at_least("max_contacts", 0, 0)?,
        default_q: i16::try_from(default_q)
            .ok()
            .filter(|q| (-1..=1000).contains(q))
            .ok_or_else(|| format!("default_q is -1 or 0 to 1000, not {default_q}"))?,
        case_sensitive: parameters.switch("case_sensitive", true),
        realm_prefix: text("realm_prefix").unwrap_or_default().into(),
        received_param,
        received_avp: avp(parameters, "received_avp")?,
        retry_after: parameters.at_least("retry_after", 0, 0)?,
        sock_hdr_name,
        mcontact_avp: avp(parameters, "mcontact_avp")?,
        attr_avp: avp(parameters, "attr_avp")?,
        gruus: (!parameters.switch("disable_gruu", true)).then(|| Secret {
            given: text("gruu_secret").map(str::to_owned),
            gruus: OnceLock::new(),
        }),
        patterns: Patterns::default(),
        push: Push::configure(parameters)?,
    }))
}

/// The name in `$avp(name)`.
fn avp(parameters: &Parameters<'_>, parameter: &str) -> Result<Option<Vec<u8>>, String> {
    let Some(text) = parameters.str(parameter).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let name = text.trim().strip_prefix("$avp(").and_then(|rest| rest.strip_suffix(')'));
    match name.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => Ok(Some(name.as_bytes().to_vec())),
        None => Err(format!("{parameter} is a variable like $avp(name), not \"{text}\"")),
    }
}

/// RFC 3261 §25.1, token.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

fn start(host: &Host<'_>) -> Result<(), Refusal> {
    host.needs(super::usrloc::MODULE.name)?;
    if let Some(push) = &host.settings::<Registrar>().push {
        push.start(host);
    }
    if let Some(secret) = &host.settings::<Registrar>().gruus {
        // What nobody set nobody can know: better one of this start than one that all know.
        let own = || {
            let (first, second) = host.secret("gruu");
            [first.to_be_bytes(), second.to_be_bytes()].concat()
        };
        let key = secret.given.as_ref().map_or_else(own, |given| given.clone().into_bytes());
        secret.gruus.get_or_init(|| Gruus::new(key));
    }
    Ok(())
}

impl Registrar {
    /// Whether phones may join a call after it was relayed.
    pub(crate) const fn wakes_phones(&self) -> bool {
        self.push.is_some()
    }

    /// A contact of an earlier process is there again: it may have to be woken in time.
    pub(crate) fn is_back(&self, table: &Table, aor: &[u8], contact: &Contact) {
        if let Some(push) = &self.push {
            push.registered(table, aor, &Arc::new(contact.clone()));
        }
    }

    /// What makes and reads GRUUs, if they are enabled.
    fn gruus(&self) -> Option<&Gruus> {
        self.gruus.as_ref()?.gruus.get()
    }
}

/// Both modules' settings and the table that a call names first.
struct Desk<'n> {
    registrar: &'n Registrar,
    usrloc: &'n Usrloc,
    table: &'n Table,
}

impl<'n> Desk<'n> {
    /// For the table whose name stands at a position of the arguments.
    fn open(ctx: &Context<'n>, args: &Args<'_>, position: usize) -> Option<Self> {
        let node = ctx.turn.node;
        let usrloc: &Usrloc = node.settings();
        let table = usrloc.table(args.str(position))?;
        Some(Self { registrar: node.settings(), usrloc, table })
    }

    /// How a URI becomes the name of a user.
    fn aor_rules(&self) -> AorRules<'n> {
        AorRules {
            use_domain: self.usrloc.use_domain,
            case_sensitive: self.registrar.case_sensitive,
            realm_prefix: &self.registrar.realm_prefix,
        }
    }

    /// The user that a function was told, as a URI or as the name itself, else the one that
    /// `default` finds.
    fn user<'m>(
        &self,
        given: Option<&[u8]>,
        default: impl FnOnce() -> Option<&'m [u8]>,
    ) -> Option<Vec<u8>> {
        match given.filter(|given| !given.is_empty()) {
            Some(given) => self.aor_rules().aor(given).or_else(|| self.aor_rules().named(given)),
            None => self.aor_rules().aor(default()?),
        }
    }

    /// Whom a URI or a name means: a user, or one phone of a user (RFC 5627 §6.1).
    fn sought(&self, uri: &[u8]) -> Option<Result<Sought, Nobody>> {
        let rules = self.aor_rules();
        let gruu = self.registrar.gruus().and_then(|gruus| gruus.read(uri, |it| rules.aor(it)));
        match gruu {
            Some(found) => Some(found.map(|(aor, phone)| Sought { aor, phone: Some(phone) })),
            None => Some(Ok(Sought { aor: self.user(Some(uri), || None)?, phone: None })),
        }
    }

    /// Gives a script what is kept with contacts: the first one's on top.
    fn show_attributes<'c>(
        &self,
        ctx: &mut Context<'_>,
        attributes: impl DoubleEndedIterator<Item = &'c [u8]>,
    ) {
        let Some(name) = &self.registrar.attr_avp else { return };
        for attributes in attributes.rev().filter(|attributes| !attributes.is_empty()) {
            if ctx.draft.avps.push(name, Value::Str(attributes)).is_err() {
                tracing::warn!(call_id = %ctx.turn.call_id(), "attr_avp: there are {AVPS_MAX} AVPs");
                return;
            }
        }
    }
}

/// Who is looked for.
struct Sought {
    aor: Vec<u8>,
    phone: Option<Phone>,
}

/// Tells a registrar further on by which socket the request came in.
fn add_sock_hdr(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let name = args.str(0).and_then(|name| std::str::from_utf8(name).ok());
    let socket = ctx.turn.node.sockets.get(ctx.flow.socket);
    let (Some(name), Some(socket)) = (name.filter(|name| is_token(name)), socket) else {
        return Called::Value(-1);
    };
    let message = ctx.message;
    ctx.edits().draft(message).append_header(name.as_bytes(), &[socket.text().as_bytes()]);
    Called::Value(1)
}
