//! `mi_datagram`: commands in datagrams.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{FileAccess, NOT_TRACED};
use crate::module::{Host, Module, Parameter, Parameters, Refusal, Settings};

/// The declaration of `mi_datagram`.
pub static MI_DATAGRAM: Module = Module {
    name: "mi_datagram",
    parameters: &[
        Parameter::str("socket_name"),
        Parameter::int("children_count"),
        Parameter::int("unix_socket_mode"),
        Parameter::any("unix_socket_user"),
        Parameter::any("unix_socket_group"),
        Parameter::int("socket_timeout"),
        Parameter::int("socket_buf_size"),
        Parameter::int("pretty_printing"),
        Parameter::int("read_only"),
        Parameter::str("trace_destination").without_effect(None, NOT_TRACED),
        Parameter::str("trace_bwlist").without_effect(None, NOT_TRACED),
    ],
    configure,
    start,
    ..Module::EMPTY
};

/// How many commands may be asked to run at once.
const CHILDREN_MAX: i32 = 64;

/// What a datagram over IPv4 can carry.
const UDP_MAX: i32 = 65_507;

/// Where the socket is and how commands are answered.
#[derive(Clone, Debug)]
pub struct MiDatagramSettings {
    /// Where to listen; a script that loads the module must say so.
    pub address: Option<DatagramAddress>,
    /// Commands at a time.
    pub children: u16,
    /// How long a client that does not read may take.
    pub timeout: Duration,
    /// The largest datagram, in bytes.
    pub buffer_size: usize,
    /// Whether answers are indented.
    pub pretty_printing: bool,
    /// Whether commands that change something are refused.
    pub read_only: bool,
}

/// A UDP or a UNIX socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatagramAddress {
    /// `udp:ip:port`.
    Udp(SocketAddr),
    /// A path, and who may use it.
    Unix(PathBuf, FileAccess),
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let rights = ["unix_socket_mode", "unix_socket_user", "unix_socket_group"];
    let access = FileAccess::of(parameters, rights)?;
    let address = match parameters.str("socket_name") {
        None => None,
        Some(name) => Some(address(name, access)?),
    };
    let children = parameters.within("children_count", 1, 1, CHILDREN_MAX)?;
    let timeout = parameters.at_least("socket_timeout", 2000, 1)?;
    let buffer_size = parameters.within("socket_buf_size", 65_457, 512, UDP_MAX)?;
    Ok(Box::new(MiDatagramSettings {
        address,
        children: u16::try_from(children).map_err(|error| error.to_string())?,
        timeout: Duration::from_millis(timeout.into()),
        buffer_size: usize::try_from(buffer_size).map_err(|error| error.to_string())?,
        pretty_printing: parameters.switch("pretty_printing", false),
        read_only: parameters.switch("read_only", false),
    }))
}

fn address(name: &str, access: FileAccess) -> Result<DatagramAddress, String> {
    if let Some(udp) = name.strip_prefix("udp:") {
        let address =
            udp.parse().map_err(|_| format!("socket_name: {udp} is no address with a port"))?;
        return Ok(DatagramAddress::Udp(address));
    }
    match name.strip_prefix("unix:").unwrap_or(name) {
        path if path.starts_with('/') => Ok(DatagramAddress::Unix(path.into(), access)),
        _ => Err(format!("socket_name: {name} is neither udp:ip:port nor an absolute path")),
    }
}

fn start(host: &Host<'_>) -> Result<(), Refusal> {
    let settings: &MiDatagramSettings = host.settings();
    if settings.address.is_none() {
        return Err("the parameter socket_name is missing".into());
    }
    Ok(())
}
