//! The script that runs, and another one in its place (spec/script.md §15.4, `reload_routes`).
//!
//! Blocks keep their numbers by name, so whoever kept one (an armed failure route, a dialog's
//! on-timeout route, a timer) means the new block from then on; runs in flight finish on the script
//! that they began with.

use std::sync::Arc;

use duologue_script::{
    Diagnostics, FlagKind, Pending, Program, Reloaded, RouteId, RouteKind, Script, Sources,
};

use crate::catalog::Catalog;
use crate::events::{self, DIALOG_END, DIALOG_FAILED, DIALOG_START};
use crate::module::Host;
use crate::modules::cfgutils::CfgutilsSettings;
use crate::modules::dialog;
use crate::modules::registrar::Registrar;
use crate::modules::tm::{self, TmSettings};
use crate::node::Node;
use crate::server::{StartError, each_module, forwards_statelessly};

/// A script, ready to run.
#[derive(Debug)]
pub struct Loaded {
    /// Its blocks.
    pub program: Program,
    /// Those that run without being called.
    pub routes: Routes,
    /// The flag of branches that nobody waits for (`minor_branch_flag`), as a bit.
    pub minor_branches: u32,
    /// Whether it calls `forward()`: replies without a transaction are relayed, too.
    pub forwards_statelessly: bool,
}

impl Loaded {
    /// The blocks of a script, with what the settings of modules make of them.
    pub(crate) fn new(
        mut program: Program,
        forwards_statelessly: bool,
        catalog: &Catalog,
        (tm, cfgutils, registrar): (&TmSettings, &CfgutilsSettings, &Registrar),
    ) -> Self {
        for (name, value) in &cfgutils.varset {
            program.preset_var(name, value.clone());
        }
        let minor = tm.minor_branch_flag.as_deref();
        // A flag that the script never sets marks no branch.
        let minor = minor.and_then(|name| program.flag(FlagKind::Branch, name));
        let minor_branches =
            minor.map_or(0, |bit| 1u32.checked_shl(bit.into()).unwrap_or_default());
        let mut routes = Routes::of(&program).with_tm(&program, catalog, tm);
        routes.branches_later |= registrar.wakes_phones();
        Self { program, routes, minor_branches, forwards_statelessly }
    }
}

impl Node {
    /// Reads the script again and puts its blocks in the place of those that run. Modules, their
    /// parameters, sockets and settings stay as they were at the start; the new blocks are held
    /// against them, as the first ones were.
    ///
    /// # Errors
    /// All mistakes found, or why a module refuses: what would keep the proxy from starting keeps a
    /// script from running, too. What runs is untouched then.
    #[doc(alias = "reload_routes")]
    pub fn reload(&self, path: &str, sources: &dyn Sources) -> Result<Reload, StartError> {
        let _alone = self.reloading.lock();
        let running = (&self.setup, &self.script().program);
        let Reloaded { script, warnings, pending } =
            Script::reload(path, sources, &self.catalog, running).map_err(StartError::Script)?;
        let has_dialogs = self.setup.has_module(dialog::MODULE.name);
        events::check_routes(&script.program, has_dialogs).map_err(StartError::Events)?;
        let forwards = forwards_statelessly(&self.catalog, &script)?;
        let settings = (self.settings(), self.settings(), self.settings());
        let loaded = Loaded::new(script.program, forwards, &self.catalog, settings);
        meet_script(self, &loaded.program)?;
        self.script.store(Arc::new(loaded));
        Ok(Reload { warnings, pending })
    }
}

/// Holds a script that is about to run against the modules, and lets it join what outlives scripts.
///
/// # Errors
/// Whoever refuses it.
pub(crate) fn meet_script(node: &Node, program: &Program) -> Result<(), StartError> {
    let host = Host::new(node, program);
    each_module(&host, |module| module.meet)?;
    // What it subscribes to may come before it runs: who is told then finds no such block.
    events::join_script(node, program).map_err(StartError::Events)?;
    // At last, because a number that was given stays given.
    dialog::number_flags(&host)
        .map_err(|reason| StartError::Module(dialog::MODULE.name, reason.to_string()))
}

/// What there is to say about a script that runs from now on.
#[derive(Debug)]
pub struct Reload {
    /// What works, but not as its author may think.
    pub warnings: Diagnostics,
    /// What the file says outside of its routes and only a restart would obey.
    pub pending: Vec<Pending>,
}

/// The blocks that run without being called.
#[derive(Clone, Copy, Debug, Default)]
pub struct Routes {
    /// `route`.
    pub request: Option<RouteId>,
    /// `onreply_route`.
    pub reply: Option<RouteId>,
    /// `error_route`.
    pub error: Option<RouteId>,
    /// `local_route`.
    pub local: Option<RouteId>,
    /// `startup_route`.
    pub startup: Option<RouteId>,
    /// The route that runs with each request of our own (`local_request_route`).
    pub local_request: Option<RouteId>,
    /// The route that runs with each reply of our own (`local_reply_route`).
    pub local_reply: Option<RouteId>,
    /// `event_route[dialog:start]`, which runs in the call's turn.
    pub dialog_start: Option<RouteId>,
    /// `event_route[dialog:end]`.
    pub dialog_end: Option<RouteId>,
    /// `event_route[dialog:failed]`.
    pub dialog_failed: Option<RouteId>,
    /// Whether branches may be added to a transaction after its request was relayed: by a
    /// `failure_route`, or by injection.
    pub branches_later: bool,
    /// Whether the script asks for its branches one by one.
    pub looks_at_branches: bool,
}

impl Routes {
    /// Those of a program.
    pub fn of(program: &Program) -> Self {
        let unnamed = |kind| program.route(kind, "0");
        let event = |name| program.route(RouteKind::Event, name);
        Self {
            request: unnamed(RouteKind::Request),
            reply: unnamed(RouteKind::Reply),
            error: unnamed(RouteKind::Error),
            local: unnamed(RouteKind::Local),
            startup: unnamed(RouteKind::Startup),
            local_request: None,
            local_reply: None,
            dialog_start: event(DIALOG_START),
            dialog_end: event(DIALOG_END),
            dialog_failed: event(DIALOG_FAILED),
            branches_later: program.routes().any(|(_, route)| route.kind == RouteKind::Failure),
            looks_at_branches: false,
        }
    }

    /// What the parameters of `tm` and the use of its names add.
    pub(crate) fn with_tm(self, program: &Program, catalog: &Catalog, tm: &TmSettings) -> Self {
        let named = |name: &Option<String>| program.route(RouteKind::Request, name.as_deref()?);
        let uses = |name| catalog.function_named(name).is_some_and(|id| program.needs(id));
        let reads = |name: &&str| catalog.variable_named(name).is_some_and(|id| program.reads(id));
        Self {
            local_request: named(&tm.local_request_route),
            local_reply: named(&tm.local_reply_route),
            branches_later: self.branches_later || uses("t_inject_branches"),
            looks_at_branches: tm::BRANCH_VARIABLES.iter().any(reads),
            ..self
        }
    }
}
