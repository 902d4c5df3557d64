//! `proto_udp`: makes `udp:` sockets available (spec/modules.md §29).

use crate::module::{Module, Parameter, Parameters, Settings};

/// The declaration.
pub static MODULE: Module = Module {
    name: "proto_udp",
    parameters: &[Parameter::int("udp_port")],
    configure,
    ..Module::EMPTY
};

/// What the script set.
#[derive(Clone, Copy, Debug)]
pub struct UdpSettings {
    /// The port of sockets that name none.
    pub port: u16,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let port = parameters.at_least("udp_port", 5060, 1)?;
    let port = u16::try_from(port).map_err(|_| "udp_port must be below 65536".to_owned())?;
    Ok(Box::new(UdpSettings { port }))
}
