//! The global settings of spec/script.md §2.3: which are obeyed, which are accepted although they
//! change nothing here (the script's author is told why), which are names of the past.

use duologue_script::{Global, GlobalKind, Setting};

use self::GlobalKind::{Any, Bool, Ident, Int, Str};
use crate::blacklist;
use crate::logs;

const OBEYED: &[(&str, GlobalKind)] = &[
    ("log_level", Int),
    ("xlog_level", Int),
    ("xlog_print_level", Int),
    ("xlog_buf_size", Int),
    ("xlog_force_color", Bool),
    ("pv_print_buf_size", Int),
    ("log_prefix", Str),
    ("stderror_enabled", Bool),
    ("stderror_log_format", Ident),
    ("stderror_level_filter", Int),
    ("syslog_enabled", Bool),
    ("syslog_facility", Ident),
    ("syslog_name", Str),
    ("syslog_log_format", Ident),
    ("syslog_level_filter", Int),
    ("log_event_enabled", Bool),
    ("log_event_level_filter", Int),
    ("debug_mode", Bool),
    ("udp_workers", Int),
    ("socket", Any),
    ("listen", Any),
    ("alias", Any),
    ("mpath", Any),
    ("advertised_address", Ident),
    ("advertised_port", Int),
    ("mhomed", Bool),
    ("check_via", Bool),
    ("server_signature", Bool),
    ("server_header", Str),
    ("user_agent_header", Str),
    ("sip_warning", Bool),
    ("disable_503_translation", Bool),
    ("disable_stateless_fwd", Bool),
    ("max_while_loops", Int),
    ("maxbuffer", Int),
    ("enable_asserts", Bool),
    ("abort_on_assert", Bool),
    ("dst_blacklist", Any),
    ("tos", Ident),
    ("mcast_loopback", Bool),
    ("mcast_ttl", Int),
    ("exec_msg_threshold", Int),
    ("execmsgthreshold", Int),
    ("exec_dns_threshold", Int),
    ("execdnsthreshold", Int),
    ("chroot", Ident),
    ("db_default_url", Str),
    ("wdir", Ident),
    ("workdir", Ident),
];

/// Old names, obeyed as the new ones: see [`renamed`](super::renamed).
const OLD: &[(&str, GlobalKind)] =
    &[("log_stderror", Bool), ("log_facility", Ident), ("log_name", Str)];

const SCALING: &str = "there are as many threads as cores, and idle ones cost nothing";
const MEMORY: &str = "memory is the system's, there are no pools to size or to watch";
const STREAMS: &str = "this version speaks UDP only";
const RESOLVER: &str = "next hops are addresses in this version, names are not asked for";
const DATABASE: &str = "no module of this version uses a database";

/// Accepted without effect, and why. A value that says what happens here anyway needs no word.
const WITHOUT_EFFECT: &[(&str, GlobalKind, Option<i32>, &str)] = &[
    ("log_stdout", Bool, Some(1), "standard output stays open"),
    ("tcp_workers", Int, None, STREAMS),
    ("timer_workers", Int, Some(1), "one thread serves all timers"),
    ("auto_scaling_profile", Any, None, SCALING),
    ("auto_scaling_cycle", Int, None, SCALING),
    (
        "auto_aliases",
        Bool,
        Some(0),
        "a socket's host name is an alias anyway, its address is not looked up backwards",
    ),
    ("dns", Bool, None, "`received` tells the source address whenever the Via does not"),
    ("rev_dns", Bool, None, "`received` tells the source address whenever the Via does not"),
    ("dns_try_ipv6", Bool, None, RESOLVER),
    ("dns_try_naptr", Bool, Some(0), RESOLVER),
    ("dns_retr_time", Int, None, RESOLVER),
    ("dns_retr_no", Int, None, RESOLVER),
    ("dns_servers_no", Int, None, RESOLVER),
    ("dns_use_search_list", Bool, None, RESOLVER),
    ("disable_dns_failover", Bool, Some(1), RESOLVER),
    ("disable_dns_blacklist", Bool, Some(1), RESOLVER),
    ("db_version_table", Str, None, DATABASE),
    ("db_max_async_connections", Int, None, DATABASE),
    ("query_buffer_size", Int, Some(0), DATABASE),
    ("query_flush_time", Int, Some(0), DATABASE),
    ("poll_method", Any, None, "each thread blocks in a system call of its own"),
    ("worker_reactor_timeout", Int, None, "each thread blocks in a system call of its own"),
    ("open_files_limit", Int, None, "the limit is set from outside: `ulimit -n`, LimitNOFILE="),
    ("disable_core_dump", Bool, Some(0), "set it from outside: `ulimit -c 0`, LimitCORE=0"),
    ("pi_framework", Str, None, "there is no provisioning interface"),
    ("memlog", Int, None, MEMORY),
    ("mem_log", Int, None, MEMORY),
    ("memdump", Int, None, MEMORY),
    ("mem_dump", Int, None, MEMORY),
    ("mem-group", Any, None, MEMORY),
    ("mem_warming*", Any, None, MEMORY),
    ("shm_*", Any, None, MEMORY),
    ("restart_persistency_*", Any, None, MEMORY),
    ("event_shm_threshold", Int, Some(0), MEMORY),
    ("event_pkg_threshold", Int, Some(0), MEMORY),
    ("tcp_threshold", Int, Some(0), STREAMS),
    ("tcpthreshold", Int, Some(0), STREAMS),
    ("tcp_accept_aliases", Ident, None, STREAMS),
    ("tcp_connect_timeout", Int, None, STREAMS),
    ("tcp_connection_lifetime", Int, None, STREAMS),
    ("tcp_max_connections", Int, None, STREAMS),
    ("tcp_max_msg_time", Int, None, STREAMS),
    ("tcp_socket_backlog", Int, None, STREAMS),
    ("tcp_keepalive", Bool, None, STREAMS),
    ("tcp_keepcount", Int, None, STREAMS),
    ("tcp_keepidle", Int, None, STREAMS),
    ("tcp_keepinterval", Int, None, STREAMS),
    ("tcp_no_new_conn_bflag", Ident, None, STREAMS),
    ("tcp_no_new_conn_rplflag", Ident, None, STREAMS),
    ("tcp_threads", Int, None, STREAMS),
];

const OBSOLETE: &[(&str, &str)] = &[
    ("children", "udp_workers"),
    ("tcp_children", "tcp_workers"),
    ("debug", "log_level"),
    ("fork", "the -F option (the program always stays in the foreground)"),
    ("disable_tcp", "leaving out proto_tcp"),
    ("port", "socket=proto:address:port"),
];

/// All global settings.
pub fn globals() -> Vec<Global> {
    let obeyed = OBEYED.iter().map(|&(name, kind)| Global::new(name, kind));
    let old = OLD.iter().map(|&(name, kind)| Global::new(name, kind));
    let accepted = WITHOUT_EFFECT.iter().map(|&(name, kind, ..)| Global::new(name, kind));
    let obsolete = OBSOLETE.iter().map(|&(name, instead)| Global::obsolete(name, instead));
    obeyed.chain(old).chain(accepted).chain(obsolete).collect()
}

/// What the script's author should know of an accepted setting.
pub fn note_global(name: &str, value: &Setting) -> Option<String> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    };
    let (_, _, ours, why) = WITHOUT_EFFECT.iter().find(|(known, ..)| fits(known))?;
    let differs = ours.is_none() || value.int() != *ours;
    differs.then(|| format!("`{name}` changes nothing here: {why}"))
}

/// Checks the value of a global setting when the script loads.
///
/// # Errors
/// The text to show beside the value.
pub fn check_global(name: &str, value: &Setting) -> Result<(), String> {
    let range =
        match name {
            "advertised_port" => 1..=65_535,
            "udp_workers" | "max_while_loops" | "pv_print_buf_size" | "xlog_buf_size"
            | "maxbuffer" => 1..=i32::MAX,
            "exec_msg_threshold" | "execmsgthreshold" | "exec_dns_threshold"
            | "execdnsthreshold" => 0..=i32::MAX,
            "mcast_ttl" => 0..=255,
            "tos" => return type_of_service(value).map(drop),
            "server_header" | "user_agent_header" => return header_line(value),
            "syslog_facility" | "log_facility" => return logs::facility(value).map(drop),
            "stderror_log_format" | "syslog_log_format" => return logs::format(value).map(drop),
            "dst_blacklist" => return blacklist::parse(value.str().unwrap_or_default()).map(drop),
            _ => return Ok(()),
        };
    match value.int() {
        Some(number) if !range.contains(&number) => {
            Err(format!("{name} must be between {} and {}", range.start(), range.end()))
        }
        _ => Ok(()),
    }
}

/// The type of service that a setting asks for: its number, or the sane meaning of a name
/// (spec/script.md §2.3).
///
/// # Errors
/// The text to show beside the value.
pub fn type_of_service(value: &Setting) -> Result<u8, String> {
    const NAMES: [(&str, u8); 3] =
        [("IPTOS_LOWDELAY", 0x10), ("IPTOS_THROUGHPUT", 0x08), ("IPTOS_RELIABILITY", 0x04)];
    match value {
        Setting::Int(number) => {
            u8::try_from(*number).map_err(|_| "tos must be between 0 and 255".to_owned())
        }
        Setting::Str(text) => {
            let named = NAMES.iter().find(|(name, _)| name == text).map(|&(_, tos)| tos);
            named.ok_or_else(|| {
                let known = NAMES.map(|(name, _)| name).join(", ");
                format!("a type of service is a number or one of {known}")
            })
        }
    }
}

/// A whole header line with its name (spec/script.md §2.3), without the line break that we add.
fn header_line(value: &Setting) -> Result<(), String> {
    let line = value.str().unwrap_or_default();
    let named = line.split_once(':').is_some_and(|(name, _)| {
        !name.is_empty()
            && name.trim_end().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    match named && !line.contains(['\r', '\n']) {
        true => Ok(()),
        false => Err("a whole header line is needed, `Name: value`, in one line".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// spec/script.md §2.3: each name stands once.
    #[test]
    fn names_are_declared_once() {
        let mut seen = HashSet::new();
        for global in globals() {
            assert!(seen.insert(global.name), "{}", global.name);
        }
    }

    /// spec/script.md §2.3: what changes nothing is told, unless it asks for what is so anyway.
    #[test]
    fn what_has_no_effect_is_told() {
        let note = |name: &str, number| note_global(name, &Setting::Int(number));
        assert!(note("tcp_workers", 4).unwrap().contains("UDP only"));
        assert!(note("shm_hash_split_percentage", 1).unwrap().contains("memory"));
        assert!(note("auto_aliases", 1).is_some());
        assert_eq!(note("auto_aliases", 0), None);
        assert_eq!(note("log_level", 4), None);
    }

    /// spec/script.md §2.3.
    #[test]
    fn values_are_checked() {
        let int = |name, number| check_global(name, &Setting::Int(number)).is_ok();
        let text = |name, text: &str| check_global(name, &Setting::Str(text.to_owned())).is_ok();
        assert!(int("advertised_port", 65_535) && !int("advertised_port", 0));
        assert!(int("udp_workers", 1) && !int("udp_workers", 0));
        assert!(int("tos", 0) && int("tos", 255) && !int("tos", 256));
        assert!(text("tos", "IPTOS_THROUGHPUT") && !text("tos", "IPTOS_CHEAP"));
        assert!(text("server_header", "Server: mine"));
        assert!(!text("server_header", "mine") && !text("server_header", "Server: a\r\nX: b"));
        assert!(text("syslog_facility", "LOG_LOCAL0") && !text("syslog_facility", "LOG_MINE"));
        assert!(text("stderror_log_format", "json_cee") && !text("syslog_log_format", "xml"));
        assert!(text("dst_blacklist", "a: { (udp, 10.0.0.0/8, 0, \"\") }"));
        assert!(!text("dst_blacklist", "a: { (udp, 10.0.0.0/8 }"));
    }

    /// spec/script.md §2.3: the names mean what they say.
    #[test]
    fn types_of_service_have_names() {
        let named = |name: &str| type_of_service(&Setting::Str(name.to_owned()));
        assert_eq!(named("IPTOS_LOWDELAY"), Ok(0x10));
        assert_eq!(named("IPTOS_THROUGHPUT"), Ok(0x08));
        assert_eq!(named("IPTOS_RELIABILITY"), Ok(0x04));
    }
}
