//! A loaded script: its settings, and the program of its routes.

use crate::catalog::ModuleId;
use crate::program::Program;
use crate::value::Setting;

/// Everything a configuration file says.
#[derive(Debug, Default)]
pub struct Script {
    /// What a start needs to know: all but the routes.
    pub setup: Setup,
    /// The routes.
    pub program: Program,
}

/// What a script says outside of its routes. It counts from a start on: a
/// [reload](Script::reload) leaves it as it was.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Global settings in the order of the file; the last one of a name counts.
    pub globals: Vec<GlobalSetting>,
    /// `socket = …` and `listen = …`.
    pub sockets: Vec<Socket>,
    /// `alias = …`.
    pub aliases: Vec<Alias>,
    /// `socket = bond:NAME {…}`.
    pub bonds: Vec<Bond>,
    /// The modules, in the order they were loaded.
    pub modules: Vec<LoadedModule>,
    /// `modparam(…)`, one entry per module that its expression matched.
    pub modparams: Vec<ModuleSetting>,
}

impl Setup {
    /// The last value given to a global setting.
    pub fn global(&self, name: &str) -> Option<&Setting> {
        self.globals.iter().rev().find(|g| g.name == name).map(|g| &g.value)
    }

    /// The values given to a parameter of a module, in order.
    pub fn modparam<'a>(
        &'a self,
        module: ModuleId,
        name: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Setting> {
        self.modparams
            .iter()
            .filter(move |p| p.module == module && p.name == name)
            .map(|p| &p.value)
    }

    /// Whether a module is loaded.
    pub fn has_module(&self, name: &str) -> bool {
        self.modules.iter().any(|module| module.name == name)
    }
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The path as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// `name = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalSetting {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Setting,
    /// Where it stands.
    pub location: Location,
}

/// `loadmodule "…"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedModule {
    /// Which one.
    pub id: ModuleId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub location: Location,
}

/// `modparam("…", "name", value)` for one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleSetting {
    /// The module.
    pub module: ModuleId,
    /// The parameter.
    pub name: String,
    /// The value.
    pub value: Setting,
    /// Where it stands.
    pub location: Location,
}

/// `socket = proto:host:port …` (spec §2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// The transport: `udp`, `tcp`, …
    pub proto: String,
    /// An address (IPv6 without brackets), a host or interface name, or `*`.
    pub host: String,
    /// The ports; empty for the default port of the transport.
    pub ports: Vec<u16>,
    /// `as host[:port]`: what is advertised.
    pub advertised: Option<(String, Option<u16>)>,
    /// `use_workers N`.
    pub workers: Option<u32>,
    /// `use_auto_scaling_profile ID`.
    pub auto_scaling_profile: Option<String>,
    /// `tag ID`.
    pub tag: Option<String>,
    /// `tos N`.
    pub tos: Option<u32>,
    /// The words without value: `anycast`, `accept_subdomain`, `frag`, `reuse_port`, ….
    pub options: Vec<String>,
    /// Where it stands.
    pub location: Location,
}

/// `socket = bond:NAME {"proto:host:port", …}` (spec §2.2): several sockets under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bond {
    /// Its name.
    pub name: String,
    /// Its sockets.
    pub members: Vec<String>,
    /// Where it stands.
    pub location: Location,
}

/// `alias = [proto:]host[:port]` (spec §2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alias {
    /// The transport; `None` for any.
    pub proto: Option<String>,
    /// The host.
    pub host: String,
    /// The port; `None` for all.
    pub port: Option<u16>,
    /// `accept_subdomain`.
    pub accept_subdomain: bool,
    /// Where it stands.
    pub location: Location,
}
