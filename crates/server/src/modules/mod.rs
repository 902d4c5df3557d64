//! The modules that come with Duologue: a file each, whose declaration tells all it exports.

pub mod cachedb_local;
pub mod cfgutils;
pub mod db;
pub mod dialog;
pub mod event_datagram;
pub mod event_route;
pub mod json;
pub mod mathops;
pub mod maxfwd;
pub mod mi;
pub mod mi_script;
pub mod prometheus;
pub mod registrar;
pub mod rr;
pub mod signaling;
pub mod sipmsgops;
pub mod sl;
pub mod statistics;
pub mod textops;
pub mod tm;
pub mod udp;
pub mod usrloc;

use crate::module::Module;

/// All modules of this crate.
pub const ALL: &[&Module] = &[
    &udp::MODULE,
    &signaling::MODULE,
    &sl::MODULE,
    &tm::MODULE,
    &rr::MODULE,
    &maxfwd::MODULE,
    &sipmsgops::MODULE,
    &textops::MODULE,
    &dialog::MODULE,
    &event_route::MODULE,
    &event_datagram::MODULE,
    &cfgutils::MODULE,
    &usrloc::MODULE,
    &registrar::MODULE,
    &statistics::MODULE,
    &json::MODULE,
    &cachedb_local::MODULE,
    &mathops::MODULE,
    &mi::HTTPD,
    &mi::MI_HTTP,
    &mi_script::MODULE,
    &mi::MI_FIFO,
    &mi::MI_DATAGRAM,
    &prometheus::MODULE,
    &db::SQLITE,
    &db::POSTGRES,
    &db::MYSQL,
];
