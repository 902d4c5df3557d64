//! The global settings of spec/script.md §2.3: which are obeyed, which are accepted because they
//! make no sense in one process with threads, which are names of the past.

use duologue_script::{Global, GlobalKind, Setting};

const OBEYED: &[(&str, GlobalKind)] = &[
    ("log_level", GlobalKind::Int),
    ("xlog_level", GlobalKind::Int),
    ("xlog_print_level", GlobalKind::Int),
    ("xlog_buf_size", GlobalKind::Int),
    ("pv_print_buf_size", GlobalKind::Int),
    ("debug_mode", GlobalKind::Bool),
    ("udp_workers", GlobalKind::Any),
    ("socket", GlobalKind::Any),
    ("listen", GlobalKind::Any),
    ("alias", GlobalKind::Any),
    ("mpath", GlobalKind::Any),
    ("advertised_address", GlobalKind::Ident),
    ("advertised_port", GlobalKind::Int),
    ("check_via", GlobalKind::Bool),
    ("server_signature", GlobalKind::Bool),
    ("server_header", GlobalKind::Str),
    ("user_agent_header", GlobalKind::Str),
    ("disable_503_translation", GlobalKind::Bool),
    ("max_while_loops", GlobalKind::Int),
    ("exec_msg_threshold", GlobalKind::Int),
    ("execmsgthreshold", GlobalKind::Int),
    ("maxbuffer", GlobalKind::Int),
    ("enable_asserts", GlobalKind::Bool),
    ("abort_on_assert", GlobalKind::Bool),
    ("tos", GlobalKind::Any),
];

/// Accepted without effect: settings of a memory manager, of processes, of transports and of log
/// consumers that this program does not have.
const ACCEPTED: &[(&str, GlobalKind)] = &[
    ("log_stderror", GlobalKind::Bool),
    ("log_facility", GlobalKind::Ident),
    ("log_name", GlobalKind::Str),
    ("log_prefix", GlobalKind::Str),
    ("log_stdout", GlobalKind::Bool),
    ("stderror_enabled", GlobalKind::Bool),
    ("syslog_enabled", GlobalKind::Bool),
    ("syslog_facility", GlobalKind::Ident),
    ("syslog_name", GlobalKind::Str),
    ("xlog_force_color", GlobalKind::Bool),
    ("tcp_workers", GlobalKind::Any),
    ("timer_workers", GlobalKind::Int),
    ("auto_scaling_profile", GlobalKind::Any),
    ("auto_scaling_cycle", GlobalKind::Int),
    ("auto_aliases", GlobalKind::Bool),
    ("sip_warning", GlobalKind::Bool),
    ("dns", GlobalKind::Bool),
    ("rev_dns", GlobalKind::Bool),
    ("dns_try_ipv6", GlobalKind::Bool),
    ("dns_try_naptr", GlobalKind::Bool),
    ("dns_retr_time", GlobalKind::Int),
    ("dns_retr_no", GlobalKind::Int),
    ("dns_servers_no", GlobalKind::Int),
    ("dns_use_search_list", GlobalKind::Bool),
    ("disable_dns_failover", GlobalKind::Bool),
    ("disable_dns_blacklist", GlobalKind::Bool),
    ("poll_method", GlobalKind::Any),
    ("open_files_limit", GlobalKind::Int),
    ("wdir", GlobalKind::Any),
    ("workdir", GlobalKind::Any),
    ("chroot", GlobalKind::Any),
    ("disable_core_dump", GlobalKind::Bool),
    ("memlog", GlobalKind::Int),
    ("mem_log", GlobalKind::Int),
    ("memdump", GlobalKind::Int),
    ("mem_dump", GlobalKind::Int),
    ("shm_memlog_size", GlobalKind::Int),
    ("shm_hash_split_percentage", GlobalKind::Int),
    ("mem_warming", GlobalKind::Bool),
    ("exec_dns_threshold", GlobalKind::Int),
    ("tcp_threshold", GlobalKind::Int),
    ("event_shm_threshold", GlobalKind::Int),
    ("event_pkg_threshold", GlobalKind::Int),
    ("mcast_loopback", GlobalKind::Bool),
    ("mcast_ttl", GlobalKind::Int),
    ("tcp_accept_aliases", GlobalKind::Any),
    ("tcp_connect_timeout", GlobalKind::Int),
    ("tcp_connection_lifetime", GlobalKind::Int),
    ("tcp_max_connections", GlobalKind::Int),
    ("tcp_max_msg_time", GlobalKind::Int),
    ("tcp_socket_backlog", GlobalKind::Int),
    ("tcp_keepalive", GlobalKind::Bool),
    ("tcp_keepcount", GlobalKind::Int),
    ("tcp_keepidle", GlobalKind::Int),
    ("tcp_keepinterval", GlobalKind::Int),
    ("tcp_threads", GlobalKind::Int),
];

/// Known to the language, not built yet: using them is a load error that says so.
const PLANNED: &[&str] = &[
    "mhomed",
    "db_default_url",
    "db_version_table",
    "db_max_async_connections",
    "query_buffer_size",
    "query_flush_time",
    "dst_blacklist",
    "disable_stateless_fwd",
    "stderror_log_format",
    "syslog_log_format",
    "stderror_level_filter",
    "syslog_level_filter",
    "log_event_level_filter",
    "log_event_enabled",
    "tcp_no_new_conn_bflag",
    "tcp_no_new_conn_rplflag",
    "pi_framework",
];

const OBSOLETE: &[(&str, &str)] = &[
    ("children", "udp_workers"),
    ("debug", "log_level"),
    ("fork", "the -F option (the program always stays in the foreground)"),
    ("disable_tcp", "leaving out proto_tcp"),
    ("port", "socket=proto:address:port"),
];

/// All global settings.
pub fn globals() -> Vec<Global> {
    let accepted = OBEYED.iter().chain(ACCEPTED).map(|&(name, kind)| Global::new(name, kind));
    let planned = PLANNED.iter().map(|name| Global::new(name, GlobalKind::Any).planned());
    let obsolete = OBSOLETE.iter().map(|&(name, instead)| Global::obsolete(name, instead));
    accepted.chain(planned).chain(obsolete).collect()
}

/// Checks the value of a global setting when the script loads.
///
/// # Errors
/// The text to show beside the value.
pub fn check_global(name: &str, value: &Setting) -> Result<(), String> {
    let range = match name {
        "advertised_port" => 1..=65_535,
        "max_while_loops" | "pv_print_buf_size" | "xlog_buf_size" | "maxbuffer" => 1..=i32::MAX,
        _ => return Ok(()),
    };
    match value.int() {
        Some(number) if !range.contains(&number) => {
            Err(format!("{name} must be between {} and {}", range.start(), range.end()))
        }
        _ => Ok(()),
    }
}
