//! `usrloc`: where users are (spec/modules.md §13). The store is `duologue-usrloc`'s; the REGISTERs
//! that fill it are read by [`registrar`](super::registrar).

mod events;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use duologue_script::{Args, Called, FlagKind, Param, ParamKind, RouteKinds, Value};
use duologue_sip::{Moment, Tick, Uri};
use duologue_usrloc::{Contact, Location, Matching, TABLES_MAX, Table};

use super::registrar;
use crate::context::Context;
use crate::module::{Function, Host, Module, Parameter, Parameters, Refusal, Settings, Task};
use crate::node::Node;
use crate::storage::users::UserStorageSettings;
use events::UserEvents;

const STATIC: Param = Param::new(ParamKind::Static);
const STR: Param = Param::new(ParamKind::Str);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);
const VAR: Param = Param::new(ParamKind::Var);
const ANY: RouteKinds = RouteKinds::all();

/// How many contacts that are over are removed at a time, so that the timers of calls go on.
const EXPIRED_PER_RUN: usize = 2048;

/// The declaration.
pub static MODULE: Module = Module {
    name: "usrloc",
    functions: &[
        Function::new("ul_add_key", &[STATIC, STR, STR, OPTIONAL_STR], ANY, add_key),
        Function::new("ul_get_key", &[STATIC, STR, STR, VAR], ANY, get_key),
        Function::new("ul_del_key", &[STATIC, STR, STR], ANY, delete_key),
    ],
    parameters: &[
        Parameter::str("working_mode_preset"),
        Parameter::str("cluster_mode"),
        Parameter::str("restart_persistency"),
        Parameter::str("sql_write_mode"),
        Parameter::int("db_mode"),
        Parameter::str("db_url"),
        Parameter::int("db_start_wait"),
        Parameter::str("cachedb_url"),
        Parameter::int("max_contact_delete"),
        Parameter::int("timer_interval"),
        Parameter::int("use_domain"),
        Parameter::int("desc_time_order"),
        Parameter::any("matching_mode"),
        Parameter::int("cseq_delay"),
        Parameter::int("hash_size"),
        Parameter::flag("nat_bflag", FlagKind::Branch),
        Parameter::int("location_cluster"),
        Parameter::str("pinging_mode")
            .without_effect(None, "there are no clusters whose nodes could share pings"),
        Parameter::int("contact_refresh_timer").without_effect(
            None,
            "phones that sleep are woken in time once `pn_enable` of `registrar` is set",
        ),
        Parameter::str("contact_id_column"),
        Parameter::str("user_column"),
        Parameter::str("domain_column"),
        Parameter::str("contact_column"),
        Parameter::str("expires_column"),
        Parameter::str("q_column"),
        Parameter::str("callid_column"),
        Parameter::str("cseq_column"),
        Parameter::str("methods_column"),
        Parameter::str("flags_column"),
        Parameter::str("cflags_column"),
        Parameter::str("user_agent_column"),
        Parameter::str("received_column"),
        Parameter::str("socket_column"),
        Parameter::str("path_column"),
        Parameter::str("sip_instance_column"),
        Parameter::str("kv_store_column"),
        Parameter::str("attr_column"),
        Parameter::str("last_modified_column"),
    ],
    configure,
    start,
    meet,
    tasks: &[Task { name: "usrloc expiry", next_due: next_expiry, run: expire }],
    ..Module::EMPTY
};

/// The module's parameters and, once the proxy is built with it, the location.
#[derive(Debug)]
pub struct Usrloc {
    /// Whether an address of record has a domain: `user@domain`.
    pub use_domain: bool,
    hash_size: u32,
    nat_bflag: Option<String>,
    /// Where users are kept, and when.
    pub storage: UserStorageSettings,
    settings: duologue_usrloc::Settings,
    timer_interval: Duration,
    next_expiry_ms: AtomicU64,
    started: OnceLock<Started>,
}

#[derive(Debug)]
struct Started {
    location: Location,
    events: Arc<UserEvents>,
    nat_mask: u32,
}

impl Usrloc {
    /// Where users are; `None` if the script does not load the module.
    pub fn location(&self) -> Option<&Location> {
        self.started.get().map(|started| &started.location)
    }

    /// The branch flag of phones behind a NAT, as a mask; 0 if there is none.
    pub fn nat_mask(&self) -> u32 {
        self.started.get().map_or(0, |started| started.nat_mask)
    }

    /// Tells that a phone is to register again (`E_UL_CONTACT_REFRESH`), and why.
    pub(crate) fn tell_refresh(
        &self,
        table: &str,
        aor: &[u8],
        contact: &Contact,
        reason: &str,
        call_id: &[u8],
    ) {
        if let Some(started) = self.started.get() {
            started.events.tell_refresh((table, aor), contact, reason, call_id);
        }
    }

    /// In how many buckets listings say that a table lies.
    pub fn hash_size(&self) -> u64 {
        1 << self.hash_size
    }

    /// A table that a function was given, by name.
    pub(crate) fn table(&self, name: Option<&[u8]>) -> Option<&Table> {
        self.location()?.table(std::str::from_utf8(name?).ok()?)
    }
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    parameters.at_least("max_contact_delete", 10, 1)?;
    let hash_size = parameters.at_least("hash_size", 9, 0)?;
    if hash_size > HASH_SIZE_MAX {
        return Err(format!("hash_size is the power of 2, at most {HASH_SIZE_MAX}"));
    }
    let interval = parameters.at_least("timer_interval", 60, 1)?;
    let timer_interval = Duration::from_secs(interval.into());
    let cseq_delay = parameters.at_least("cseq_delay", 20, 0)?;
    Ok(Box::new(Usrloc {
        use_domain: parameters.switch("use_domain", false),
        hash_size,
        nat_bflag: parameters.str("nat_bflag").map(str::to_owned),
        settings: duologue_usrloc::Settings {
            matching: matching(parameters)?,
            cseq_delay: Duration::from_secs(cseq_delay.into()),
            newest_first: parameters.switch("desc_time_order", false),
            hash_bits: hash_size,
            ..duologue_usrloc::Settings::default()
        },
        timer_interval,
        storage: UserStorageSettings::of(parameters, timer_interval)?,
        next_expiry_ms: AtomicU64::new(0),
        started: OnceLock::new(),
    }))
}

/// More buckets than this are a mistake: a number where its power of 2 is meant.
const HASH_SIZE_MAX: u32 = 24;

/// `matching_mode`: 0, 1, or the name of a URI parameter.
fn matching(parameters: &Parameters<'_>) -> Result<Matching, String> {
    match (parameters.int("matching_mode"), parameters.str("matching_mode")) {
        (_, Some(name)) => matching_named(name.as_bytes())
            .ok_or_else(|| format!("matching_mode is 0, 1 or a URI parameter, not \"{name}\"")),
        (Some(0) | None, None) => Ok(Matching::Uri),
        (Some(1), None) => Ok(Matching::UriAndCallId),
        (Some(mode), None) => Err(format!("matching_mode is 0, 1 or a URI parameter, not {mode}")),
    }
}

/// A rule by its number or the name of a URI parameter, with or without angle brackets.
pub(crate) fn matching_named(text: &[u8]) -> Option<Matching> {
    match text {
        b"0" => Some(Matching::Uri),
        b"1" => Some(Matching::UriAndCallId),
        name => {
            let name =
                name.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")).unwrap_or(name);
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
            let is_name = !name.is_empty() && !name[0].is_ascii_digit() && name.iter().all(plain);
            is_name.then(|| Matching::Param(name.into()))
        }
    }
}

fn start(host: &Host<'_>) -> Result<(), Refusal> {
    let usrloc: &Usrloc = host.settings();
    let events = Arc::new(UserEvents::publish(host)?);
    let started = Started {
        events: Arc::clone(&events),
        location: Location::new(
            usrloc.settings.clone(),
            host.secret("usrloc"),
            // Above the numbers of an earlier run, unless that registered a million a second.
            host.started().unix << 20,
            [],
        ),
        nat_mask: match &usrloc.nat_bflag {
            Some(name) => host.flag(FlagKind::Branch, name).unwrap_or_default(),
            None => 0,
        },
    };
    started.location.set_journal(events);
    usrloc.started.set(started).map_err(|_| "usrloc was started twice".into())
}

/// Opens the tables that the script names.
fn meet(host: &Host<'_>) -> Result<(), Refusal> {
    let usrloc: &Usrloc = host.settings();
    let location = usrloc.location().ok_or("usrloc has not started")?;
    let named = [("ul_add_key", 0), ("ul_get_key", 0), ("ul_del_key", 0)];
    let named = named.iter().chain(registrar::TABLES);
    let tables = named.flat_map(|&(function, position)| host.constants(function, position));
    let mut tables: Vec<&str> = tables.collect();
    tables.sort_unstable();
    for name in tables {
        if location.open(name).is_none() {
            let reason = format!("there is no room for table {name}: {TABLES_MAX} are open");
            return Err(reason.into());
        }
        if let Some(storage) = &host.node.user_storage {
            storage.names_of(name)?;
        }
    }
    Ok(())
}

// --- Expiry -----------------------------------------------------------------------------------

/// While anybody is registered, every `timer_interval`.
fn next_expiry(node: &Node) -> Option<Tick> {
    let usrloc: &Usrloc = node.settings();
    let next = || Tick::from_millis(usrloc.next_expiry_ms.load(Relaxed));
    usrloc.location().filter(|location| !location.is_empty()).map(|_| next())
}

fn expire(node: &Node, now: Moment) {
    let usrloc: &Usrloc = node.settings();
    let Some(location) = usrloc.location() else { return };
    let more = location.expire(now.tick, EXPIRED_PER_RUN);
    let next = if more { now.tick } else { now.tick + usrloc.timer_interval };
    usrloc.next_expiry_ms.store(next.as_millis(), Relaxed);
}

// --- Keys -------------------------------------------------------------------------------------

fn add_key(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let usrloc: &Usrloc = ctx.turn.node.settings();
    let (Some(table), Some(aor), Some(key)) = (usrloc.table(args.str(0)), args.str(1), args.str(2))
    else {
        return Called::Value(-1);
    };
    let value = args.str(3).unwrap_or_default();
    match table.set_key(&key_of(aor, usrloc.use_domain), key, value) {
        Ok(()) => Called::Value(1),
        Err(error) => {
            tracing::warn!(call_id = %ctx.turn.call_id(), "ul_add_key(): {error}");
            Called::Value(-1)
        }
    }
}

fn get_key(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let usrloc: &Usrloc = ctx.turn.node.settings();
    let (Some(table), Some(aor), Some(key)) = (usrloc.table(args.str(0)), args.str(1), args.str(2))
    else {
        return Called::Value(-1);
    };
    let Some(value) = table.key(&key_of(aor, usrloc.use_domain), key) else {
        return Called::Value(-1);
    };
    Called::Value(if args.store(ctx, 3, Value::Str(&value)).is_ok() { 1 } else { -1 })
}

fn delete_key(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let usrloc: &Usrloc = ctx.turn.node.settings();
    let (Some(table), Some(aor), Some(key)) = (usrloc.table(args.str(0)), args.str(1), args.str(2))
    else {
        return Called::Value(-1);
    };
    let removed = table.remove_key(&key_of(aor, usrloc.use_domain), key);
    Called::Value(if removed { 1 } else { -1 })
}

/// The name under which a user is stored, for who writes `ann`, `ann@example.com` or a URI.
pub fn key_of(aor: &[u8], use_domain: bool) -> Vec<u8> {
    if let Ok(uri) = Uri::parse(aor)
        && let Some(user) = uri.user()
    {
        return match use_domain && !uri.host().is_empty() {
            true => [user, b"@", &*uri.host().to_ascii_lowercase()].concat(),
            false => user.to_vec(),
        };
    }
    match aor.iter().rposition(|&byte| byte == b'@') {
        Some(at) if !use_domain => aor[..at].to_vec(),
        _ => aor.to_vec(),
    }
}

/// The names of branch flags, with blanks between them.
pub fn branch_flag_names(node: &Node, mask: u32) -> String {
    let script = node.script();
    let names = script.program.flag_names(FlagKind::Branch).iter().zip(0..32);
    let set: Vec<&str> =
        names.filter(|(_, bit)| mask & 1 << bit != 0).map(|(name, _)| name.as_str()).collect();
    set.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_in_three_ways() {
        for (written, user, with_domain) in [
            ("ann", "ann", "ann"),
            ("ann@example.com", "ann", "ann@example.com"),
            ("sip:ann@EXAMPLE.com;x=y", "ann", "ann@example.com"),
            ("tel:+4930", "+4930", "+4930"),
        ] {
            assert_eq!(key_of(written.as_bytes(), false), user.as_bytes());
            assert_eq!(key_of(written.as_bytes(), true), with_domain.as_bytes());
        }
    }

    /// spec/modules.md §13, `matching_mode`.
    #[test]
    fn matching_is_a_number_or_a_parameter() {
        assert_eq!(matching_named(b"0"), Some(Matching::Uri));
        assert_eq!(matching_named(b"1"), Some(Matching::UriAndCallId));
        let param = Some(Matching::Param(b"rinstance"[..].into()));
        assert_eq!(matching_named(b"<rinstance>"), param);
        assert_eq!(matching_named(b"rinstance"), param);
        for bad in [&b""[..], b"2", b"<>", b"a b", b"a;b"] {
            assert_eq!(matching_named(bad), None);
        }
    }
}
