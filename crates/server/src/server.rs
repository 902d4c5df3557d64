//! A script becomes a running proxy: the plan (loaded, checked, nothing opened yet), then the server
//! (sockets open, threads running).

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use duologue_dialog::{Dialogs, Journal};
use duologue_script::{Bond, Diagnostics, Script, Setting, Sources};
use duologue_sip::Moment;
use duologue_store::Restored;
use duologue_transaction::BranchKey;
use parking_lot::Mutex;

use crate::blacklist::{self, Blacklists};
use crate::cachedb::Caches;
use crate::call::Ending;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::core::type_of_service;
use crate::databases::{DatabaseChoice, Databases};
use crate::dialogs::{Published, Told};
use crate::events::{self, Events};
use crate::index::CallIndex;
use crate::intents::{self, connect_intents};
use crate::loaded::{Loaded, meet_script};
use crate::loglevel::Threshold;
use crate::logs::LogSettings;
use crate::module::{Host, Module, Parameters, Refusal, Settings, Start};
use crate::modules::{self, dialog::DialogSettings, udp::UdpSettings, usrloc::Usrloc};
use crate::net::{Receiver, Transports, UdpOptions, UdpSocket};
use crate::node::Node;
use crate::own_routes::TimerRoutes;
use crate::parked::Parking;
use crate::road::Load;
use crate::runqueue::RunQueue;
use crate::slow::{SlowMessages, THRESHOLD};
use crate::sockets::{Advertised, AliasSpec, BondSpec, Proto, SocketSpec, Sockets};
use crate::statistics::{KERNEL_DROPS, Statistics};
use crate::storage::users::{self, UserStorage};
use crate::storage::{self, Storage, Watch};
use crate::worker::Worker;

/// How many calls may be alive (have transactions) at a time. Above it new INVITEs get 503.
pub const CALLS_MAX: usize = 1 << 20;

/// How many calls may wait for a worker before new ones are refused with 503.
pub const QUEUE_MAX: usize = 4096;

/// How often the timer thread looks.
const TIMER_STEP: Duration = Duration::from_millis(16);

/// What the command line says on top of the script.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Sockets instead of the script's, `[proto:]address[:port]`; none leaves the script's. Port 0
    /// is one that is free.
    pub sockets: Vec<String>,
    /// More sockets, written likewise.
    pub listen: Vec<String>,
    /// Receivers per UDP socket.
    pub udp_workers: Option<u16>,
    /// `$argv(name)`.
    pub argv: Vec<(String, String)>,
    /// As `check_via=yes`.
    pub check_via: bool,
    /// As `advertised_address`.
    pub advertised_address: Option<String>,
    /// Log level 4 and two workers.
    pub debug_mode: bool,
    /// Where the script's dialogs and users are kept.
    pub database: DatabaseChoice,
}

/// A script that loaded without an error, with its settings understood. Nothing is open yet.
pub struct Plan {
    catalog: Catalog,
    script: Script,
    warnings: Diagnostics,
    settings: Vec<Settings>,
    blacklists: Blacklists,
    forwards_statelessly: bool,
    databases: Databases,
    overrides: Overrides,
    on_start: Vec<OnStart>,
    watch: Watch,
}

/// What an embedding program does when the proxy is built.
type OnStart = Box<dyn FnOnce(&Host<'_>) -> Result<(), Refusal> + Send>;

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (script, overrides) = (&self.script, &self.overrides);
        let mut plan = f.debug_struct("Plan");
        plan.field("script", script).field("overrides", overrides).finish_non_exhaustive()
    }
}

impl Plan {
    /// Loads and checks a script: `path` names it in messages, `sources` reads it and its includes.
    ///
    /// # Errors
    /// All mistakes found, with their places.
    pub fn load(
        path: &str,
        sources: &dyn Sources,
        extra_modules: &[&'static Module],
        overrides: Overrides,
    ) -> Result<Self, StartError> {
        let catalog = Catalog::new(modules::ALL.iter().chain(extra_modules).copied().collect());
        let loaded = Script::load(path, sources, &catalog).map_err(StartError::Script)?;
        Self::of(catalog, loaded, overrides)
    }

    /// The same, for a script that is only looked at: the [`warnings`](Self::warnings) also tell what
    /// works, but is hardly meant ([`duologue_script::LINTS`]).
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn lint(
        path: &str,
        sources: &dyn Sources,
        extra_modules: &[&'static Module],
    ) -> Result<Self, StartError> {
        let catalog = Catalog::new(modules::ALL.iter().chain(extra_modules).copied().collect());
        let loaded = Script::lint(path, sources, &catalog).map_err(StartError::Script)?;
        Self::of(catalog, loaded, Overrides::default())
    }

    fn of(
        catalog: Catalog,
        (mut script, warnings): (Script, Diagnostics),
        overrides: Overrides,
    ) -> Result<Self, StartError> {
        name_flags(&catalog, &mut script)?;
        let settings = configure(&catalog, &script)?;
        let has_dialogs = script.setup.has_module(modules::dialog::MODULE.name);
        events::check_routes(&script.program, has_dialogs).map_err(StartError::Events)?;
        let blacklists = blacklists(&script).map_err(StartError::Setting)?;
        let forwards_statelessly = forwards_statelessly(&catalog, &script)?;
        let databases = Databases::of(&script, &settings, &overrides)?;
        Ok(Self {
            catalog,
            script,
            warnings,
            settings,
            blacklists,
            forwards_statelessly,
            databases,
            overrides,
            on_start: Vec::new(),
            watch: Box::new(|_| {}),
        })
    }

    /// What a program that embeds the server does while the proxy is built, as
    /// [`Module::start`] does for a module: the place to register for dialogs. Several run in the
    /// order in which they were given, after those of the modules.
    ///
    /// ```
    /// # use duologue_server::Plan;
    /// fn told_of_calls(plan: Plan) -> Plan {
    ///     plan.on_start(|host| {
    ///         host.dialogs()?.on_created(|event| println!("a call: {}", event.dialog().id()));
    ///         Ok(())
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn on_start(
        mut self,
        start: impl FnOnce(&Host<'_>) -> Result<(), Refusal> + Send + 'static,
    ) -> Self {
        self.on_start.push(Box::new(start));
        self
    }

    /// Shows somebody how far the stored dialogs have come back, while the proxy starts.
    #[must_use]
    pub fn watch_restore(mut self, watch: impl FnMut(&Restored) + Send + 'static) -> Self {
        self.watch = Box::new(watch);
        self
    }

    /// The settings of a module, by their type.
    pub fn settings<T: 'static>(&self) -> Option<&T> {
        self.settings.iter().find_map(|settings| settings.downcast_ref())
    }

    /// What the script says that works, but not as its author may think.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Whether the script loaded a module.
    pub fn has_module(&self, name: &str) -> bool {
        self.script.setup.has_module(name)
    }

    /// The log level that the script or the command line asks for.
    pub fn log_level(&self) -> i8 {
        let asked = self.script.setup.global("log_level").and_then(Setting::int).unwrap_or(2);
        let asked = if self.debug_mode() { 4 } else { asked };
        i8::try_from(asked.clamp(-3, 4)).unwrap_or(crate::loglevel::DEFAULT)
    }

    /// Where log lines are to go, and in which form.
    pub fn logs(&self) -> LogSettings {
        LogSettings::of(&self.script.setup, self.debug_mode())
    }

    /// The directory that the script wants as its root (`chroot`).
    pub fn root(&self) -> Option<&str> {
        self.text("chroot")
    }

    /// The working directory that the script wants (`wdir`), inside of its root.
    pub fn directory(&self) -> Option<&str> {
        self.text("wdir").or_else(|| self.text("workdir"))
    }

    fn debug_mode(&self) -> bool {
        self.overrides.debug_mode || self.switch("debug_mode", false)
    }

    fn int(&self, name: &str) -> Option<i32> {
        self.script.setup.global(name).and_then(Setting::int)
    }

    fn switch(&self, name: &str, default: bool) -> bool {
        self.int(name).map_or(default, |value| value != 0)
    }

    /// A number of microseconds above 0, under the name with or without underscores.
    fn threshold(&self, names: [&str; 2]) -> Option<u64> {
        let set = names.into_iter().find_map(|name| self.int(name));
        set.and_then(|micros| u64::try_from(micros).ok()).filter(|&micros| micros > 0)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.script.setup.global(name).and_then(Setting::str)
    }

    /// Builds the proxy without opening anything: the sockets are `sockets`. The modules that the
    /// script loads start here.
    ///
    /// # Errors
    /// [`StartError::Module`] or [`StartError::Refused`] when one of those who start does not want to.
    pub fn build(
        self,
        sockets: Sockets,
        workers: usize,
        now: Moment,
        seed: u64,
    ) -> Result<Node, StartError> {
        let mut numbers = Seeds(seed);
        let identity = concat!("Duologue/", env!("CARGO_PKG_VERSION"));
        let signature = self.switch("server_signature", true);
        let line = |name: &str, script: &str| {
            let line =
                self.text(script).map_or_else(|| format!("{name}: {identity}"), str::to_owned);
            signature.then(|| line + "\r\n")
        };
        let server_header = line("Server", "server_header");
        let user_agent_header = line("User-Agent", "user_agent_header");
        let disable_503_translation = self.switch("disable_503_translation", false);
        let check_via = self.overrides.check_via || self.switch("check_via", false);
        let record_routing = self.has_module("rr");
        let xlog_level = Threshold::new(self.int("xlog_level").unwrap_or(2));
        let colors = self.switch("xlog_force_color", false);
        let sip_warning = self.switch("sip_warning", false);
        let abort_on_assert = self.switch("abort_on_assert", false);
        let slow_name = self.threshold(["exec_dns_threshold", "execdnsthreshold"]);
        crate::resolve::warn_above(slow_name.unwrap_or(0));
        let dialog = self.settings::<DialogSettings>().cloned().unwrap_or_default();
        let events = Events::default();
        let with_dialogs = self.has_module(modules::dialog::MODULE.name);
        let dialog_events = with_dialogs.then(|| Published::on(&events));
        if self.logs().event.enabled {
            events.publish_own(crate::logs::EVENT_NAME);
        }
        let Databases { dialogs, users } = self.databases.clone();
        let storage = dialogs.map(|url| Storage::new(dialog.storage.clone(), url, &events));
        let kept_users = &find::<Usrloc>(&self.settings).storage;
        let user_storage = users.map(|url| UserStorage::new(kept_users.clone(), url, &events));
        let readiness_changed = events.publish_own("E_CORE_SR_STATUS_CHANGED");
        let slow_message = self.threshold(["exec_msg_threshold", "execmsgthreshold"]);
        let times_messages = self.has_module(modules::prometheus::MODULE.name);
        let slow_messages = slow_message.map(|micros| SlowMessages {
            limit: Duration::from_micros(micros),
            event: events.publish_own(THRESHOLD),
        });
        let modules = self.catalog.built().map(|(_, module)| module);
        let modules = modules.filter(|module| self.has_module(module.name));
        let tasks = modules.flat_map(|module| module.tasks).copied().collect();
        let given = &self.settings;
        let settings = (find(given), find(given), find(given));
        let loaded =
            Loaded::new(self.script.program, self.forwards_statelessly, &self.catalog, settings);
        let mut node = Node {
            script: ArcSwap::from_pointee(loaded),
            setup: self.script.setup,
            reloading: Mutex::default(),
            slow_messages,
            readiness_changed,
            times_messages,
            told: Told::of(dialog_events, dialog.event_ids),
            events,
            catalog: self.catalog,
            sockets,
            calls: CallIndex::new((numbers.next(), numbers.next()), CALLS_MAX),
            dialogs: Dialogs::new(dialog.engine, numbers.next()),
            changes: Arc::default(),
            storage,
            user_storage,
            statistics: Statistics::new(workers),
            caches: Caches::default(),
            queue: Arc::new(RunQueue::default()),
            parking: Parking::default(),
            branch_key: BranchKey::new(numbers.next(), numbers.next()),
            tag_key: (numbers.next(), numbers.next()),
            server_header,
            user_agent_header,
            disable_503_translation,
            check_via,
            record_routing,
            xlog_level,
            colors,
            sip_warning,
            abort_on_assert,
            blacklists: self.blacklists,
            argv: self.overrides.argv,
            started: now,
            settings: self.settings.into_iter().map(|it| ((*it).type_id(), it)).collect(),
            tasks,
            draining: AtomicBool::new(false),
            overloaded: AtomicBool::new(false),
            stateless_acks_until: AtomicU64::new(0),
            own_numbers: AtomicU64::new(0),
            commands: OnceLock::new(),
            endings: Mutex::default(),
        };
        node.dialogs.add_journal(Arc::clone(&node.changes) as Arc<dyn Journal>);
        let script = node.script.load_full();
        let host = Host::new(&node, &script.program);
        each_module(&host, |module| module.start)?;
        self.on_start
            .into_iter()
            .try_for_each(|start| start(&host))
            .map_err(StartError::Refused)?;
        node.caches.settle();
        meet_script(&node, &script.program)?;
        Ok(node)
    }

    /// The sockets that script and command line name.
    ///
    /// # Errors
    /// A socket that makes no sense here.
    pub fn sockets(&self) -> Result<Sockets, StartError> {
        let port = self.settings::<UdpSettings>().map_or(5060, |settings| settings.port);
        let mut specs = Vec::new();
        let scripted = match self.overrides.sockets.is_empty() {
            true => &self.script.setup.sockets[..],
            false => &[],
        };
        for socket in scripted {
            let proto = Proto::from_name(socket.proto.as_bytes())
                .filter(|proto| *proto == Proto::Udp)
                .ok_or_else(|| StartError::Transport(socket.proto.clone()))?;
            let ports = if socket.ports.is_empty() { &[port][..] } else { &socket.ports[..] };
            for &port in ports {
                let mut spec = SocketSpec::new(proto, socket.host.clone(), Some(port));
                let has = |option: &str| socket.options.iter().any(|given| given == option);
                spec.advertised = socket.advertised.clone();
                spec.tag = socket.tag.clone();
                spec.workers = socket.workers.and_then(|count| u16::try_from(count).ok());
                spec.tos = socket.tos.and_then(|tos| u8::try_from(tos).ok());
                spec.anycast = has("anycast");
                spec.fragments = has("frag");
                spec.accept_subdomain = has("accept_subdomain");
                specs.push(spec);
            }
        }
        for text in self.overrides.sockets.iter().chain(&self.overrides.listen) {
            let text = if text.starts_with("udp:") { text.clone() } else { format!("udp:{text}") };
            specs.push(text.parse().map_err(|error| StartError::Socket(format!("{error}")))?);
        }
        if specs.is_empty() {
            return Err(StartError::NoSocket);
        }
        if !self.has_module("proto_udp") {
            return Err(StartError::Transport("udp".to_owned()));
        }
        let aliases = self.script.setup.aliases.iter().map(|alias| AliasSpec {
            proto: alias.proto.as_deref().and_then(|name| Proto::from_name(name.as_bytes())),
            host: alias.host.clone(),
            port: alias.port,
            accept_subdomain: alias.accept_subdomain,
        });
        let address =
            self.overrides.advertised_address.as_deref().or(self.text("advertised_address"));
        let advertised_port = self.int("advertised_port").and_then(|port| u16::try_from(port).ok());
        let advertised = Advertised { host: address.map(str::to_owned), port: advertised_port };
        let aliases: Vec<AliasSpec> = aliases.collect();
        let by_route = self.switch("mhomed", false);
        // Sockets of the command line are others than those of the script.
        let bonds = self.script.setup.bonds.iter().filter(|_| self.overrides.sockets.is_empty());
        if !self.overrides.sockets.is_empty() {
            for bond in &self.script.setup.bonds {
                tracing::warn!("bond:{} is none: other sockets stand for the script's", bond.name);
            }
        }
        let bond = |it: &Bond| BondSpec { name: it.name.clone(), members: it.members.clone() };
        let bonds = bonds.map(bond).collect();
        Sockets::build(specs, aliases, advertised)
            .and_then(|table| table.with_bonds(bonds))
            .map(|table| table.choosing_by_route(by_route))
            .map_err(|error| StartError::Socket(error.to_string()))
    }

    /// How a socket is set up: what it says itself, else what holds for all.
    fn udp_options(&self, socket: &SocketSpec) -> UdpOptions {
        let tos = self.script.setup.global("tos").and_then(|value| type_of_service(value).ok());
        let default = UdpOptions::default();
        let receive_buffer = self.int("maxbuffer").and_then(|bytes| usize::try_from(bytes).ok());
        UdpOptions {
            receive_buffer: receive_buffer.unwrap_or(default.receive_buffer),
            tos: socket.tos.or(tos).unwrap_or(default.tos),
            fragments: socket.fragments,
            multicast_loopback: self.int("mcast_loopback").map(|value| value != 0),
            multicast_ttl: self.int("mcast_ttl").and_then(|hops| u8::try_from(hops).ok()),
        }
    }

    /// How many receivers each UDP socket gets: as many as asked for, but no more than there are
    /// cores, since a receiver never waits for anything but its socket.
    fn receivers(&self, socket: &SocketSpec) -> usize {
        let asked = match (socket.workers, self.overrides.udp_workers) {
            (_, Some(count)) => i32::from(count),
            (_, None) if self.debug_mode() => 2,
            (Some(count), None) => i32::from(count),
            (None, None) => self.int("udp_workers").unwrap_or(8),
        };
        usize::try_from(asked).unwrap_or(1).clamp(1, cores())
    }
}

fn blacklists(script: &Script) -> Result<Blacklists, String> {
    let defined = script.setup.globals.iter().filter(|global| global.name == "dst_blacklist");
    let parsed = defined.map(|global| blacklist::parse(global.value.str().unwrap_or_default()));
    Blacklists::new(parsed.collect::<Result<_, _>>()?)
}

/// Whether replies are relayed without state: if the script calls `forward()`, unless that is
/// forbidden (spec/script.md §2.3, `disable_stateless_fwd`).
pub(crate) fn forwards_statelessly(catalog: &Catalog, script: &Script) -> Result<bool, StartError> {
    let calls = catalog.core_function("forward").is_some_and(|id| script.program.needs(id));
    let disabled = script.setup.global("disable_stateless_fwd").and_then(Setting::int) == Some(1);
    match calls && disabled {
        true => Err(StartError::Setting(
            "the script calls forward(), and disable_stateless_fwd forbids it".to_owned(),
        )),
        false => Ok(calls),
    }
}

/// Gives bits to the flags that parameters of modules name (spec/script.md §10).
pub(crate) fn name_flags(catalog: &Catalog, script: &mut Script) -> Result<(), StartError> {
    for (id, module) in catalog.built() {
        for given in script.setup.modparams.iter().filter(|given| given.module == id) {
            let declared = module.parameters.iter().find(|declared| declared.name == given.name);
            let flag = declared.and_then(|declared| declared.flag).zip(given.value.str());
            let Some((kind, name)) = flag else { continue };
            if script.program.allocate_flag(kind, name).is_none() {
                let reason = format!("{}: there is no bit left for flag \"{name}\"", given.name);
                return Err(StartError::Module(module.name, reason));
            }
        }
    }
    Ok(())
}

/// The settings of a built-in module: each is configured, loaded or not.
pub(crate) fn find<T: 'static>(settings: &[Settings]) -> &T {
    let mut found = settings.iter().filter_map(|settings| settings.downcast_ref());
    found.next().expect("every module of the catalog is configured when the script is loaded")
}

fn configure(catalog: &Catalog, script: &Script) -> Result<Vec<Settings>, StartError> {
    let mut settings = Vec::new();
    for (id, module) in catalog.built() {
        let made = (module.configure)(&Parameters::of(&script.setup, id));
        settings.push(made.map_err(|reason| StartError::Module(module.name, reason))?);
    }
    Ok(settings)
}

/// Lets each module that is loaded do something, in the order of the declarations.
pub(crate) fn each_module(
    host: &Host<'_>,
    what: impl Fn(&Module) -> Start,
) -> Result<(), StartError> {
    let all = host.node.catalog.built().map(|(_, module)| module);
    all.filter(|module| host.needs(module.name).is_ok()).try_for_each(|module| {
        what(module)(host).map_err(|reason| StartError::Module(module.name, reason.to_string()))
    })
}

/// Why a proxy did not start.
#[derive(Debug)]
pub enum StartError {
    /// The script has mistakes.
    Script(Diagnostics),
    /// A module refused its parameters, or to start.
    Module(&'static str, String),
    /// An event route that could never run, or an event that could never be told.
    Events(String),
    /// What was given to [`Plan::on_start`] refused.
    Refused(Refusal),
    /// Settings that do not go together.
    Setting(String),
    /// The script names no socket.
    NoSocket,
    /// A socket's transport has no loaded module.
    Transport(String),
    /// A socket that makes no sense.
    Socket(String),
    /// A socket could not be opened.
    Bind(SocketAddr, std::io::Error),
    /// A thread could not be started.
    Thread(std::io::Error),
    /// The database cannot be used.
    Database(String),
}

impl StartError {
    /// Whether the script or the options are at fault, not the machine.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, Self::Bind(..) | Self::Thread(_) | Self::Database(_))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(diagnostics) => write!(f, "{}", diagnostics.render(false)),
            Self::Module(module, reason) => write!(f, "module {module}: {reason}"),
            Self::Refused(reason) => write!(f, "{reason}"),
            Self::NoSocket => {
                f.write_str("the script names no socket: add socket=udp:ADDRESS:PORT")
            }
            Self::Transport(name) => {
                write!(f, "a {name} socket needs loadmodule \"proto_{name}.so\"")
            }
            Self::Setting(reason)
            | Self::Socket(reason)
            | Self::Events(reason)
            | Self::Database(reason) => f.write_str(reason),
            Self::Bind(address, error) => write!(f, "cannot listen on udp:{address}: {error}"),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running proxy.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    clock: Clock,
    sockets: Vec<Arc<UdpSocket>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    writers: Mutex<Vec<JoinHandle<()>>>,
    stopping: Arc<AtomicBool>,
}

impl Server {
    /// Opens the sockets and starts the workers.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(mut plan: Plan) -> Result<Self, StartError> {
        crate::loglevel::configure(plan.log_level());
        let mut table = plan.sockets()?;
        let mut groups = Vec::new();
        let wanted: Vec<_> = table
            .iter()
            .map(|(number, socket)| {
                let spec = socket.spec();
                (number, socket.address(), plan.receivers(spec), plan.udp_options(spec))
            })
            .collect();
        for (number, address, receivers, options) in wanted {
            let group = UdpSocket::bind_group(address, receivers, &options)
                .map_err(|error| StartError::Bind(address, error))?;
            if let Some(first) = group.first() {
                table
                    .bound(number, first.local_address())
                    .map_err(|error| StartError::Socket(error.to_string()))?;
            }
            groups.push((number, group));
        }
        let helpers = cores();
        let receivers: usize = groups.iter().map(|(_, group)| group.len()).sum();
        let workers = receivers + helpers + 1;
        let clock = Clock::start();
        let mut watch = std::mem::replace(&mut plan.watch, Box::new(|_| {}));
        let node = Arc::new(plan.build(table, workers, clock.now(), entropy())?);
        let server = Self {
            node,
            clock,
            sockets: groups.iter().flat_map(|(_, group)| group.iter().cloned()).collect(),
            threads: Mutex::default(),
            writers: Mutex::default(),
            stopping: Arc::new(AtomicBool::new(false)),
        };
        connect_intents(&server.node);
        let now: storage::Now = Arc::new(move || clock.now());
        if let Some(writer) = storage::start(&server.node, &now, &mut watch)? {
            server.spawn_writer("dialog-db", move || writer.run())?;
        }
        if let Some(writer) = users::start(&server.node, &now)? {
            server.spawn_writer("user-db", move || writer.run())?;
        }
        let mut worker = Worker::new(workers - 1);
        worker.run_startup(&server.node, server.clock.now());
        worker.transports = Some(transports(&groups, 0));
        worker.flush(&server.node);
        server.start_threads(&groups, helpers)?;
        Ok(server)
    }

    /// What the workers share.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// What the threads do, for `ps`.
    pub fn workers(&self) -> Vec<String> {
        let threads = self.threads.lock();
        threads.iter().filter_map(|thread| thread.thread().name().map(str::to_owned)).collect()
    }

    /// The server's clock.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Asks for the end of a dialog by its id; true if it was found.
    pub fn end_dialog(
        &self,
        dialog: &duologue_dialog::Dialog,
        reason: &str,
        ending: Ending,
    ) -> bool {
        intents::end_dialog(&self.node, dialog, reason, ending)
    }

    /// Stops receiving and ends the threads. What is in the outboxes has left by then.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.sockets.iter().for_each(|socket| socket.stop());
        self.node.queue.stop();
        for thread in self.threads.lock().drain(..) {
            // A worker that panicked was logged when it did.
            let _ = thread.join();
        }
        // No call changes any more.
        self.node.storage.iter().for_each(|storage| storage.stop());
        self.node.user_storage.iter().for_each(|storage| storage.stop());
        for writer in self.writers.lock().drain(..) {
            let _ = writer.join();
        }
        self.node.dialogs.shutdown();
        self.node.events.shutdown();
    }

    fn spawn_writer(
        &self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        self.writers.lock().push(thread.spawn(run).map_err(StartError::Thread)?);
        Ok(())
    }

    fn start_threads(
        &self,
        groups: &[(u16, Vec<Arc<UdpSocket>>)],
        helpers: usize,
    ) -> Result<(), StartError> {
        let mut index = 0;
        let most = groups.iter().map(|(_, group)| group.len()).max().unwrap_or(0);
        for receiver in 0..most {
            for (number, group) in groups {
                let Some(socket) = group.get(receiver).map(Arc::clone) else { continue };
                let transports = transports(groups, receiver);
                let receiver = Receiver::new(socket, *number);
                self.spawn(format!("udp-{number}-{index}"), index, move |node, clock, worker| {
                    worker.transports = Some(transports);
                    receive(receiver, node, clock, worker);
                })?;
                index += 1;
            }
        }
        for helper in 0..helpers {
            let transports = transports(groups, helper);
            self.spawn(format!("helper-{helper}"), index, move |node, clock, worker| {
                worker.transports = Some(transports);
                worker.help(node, || clock.now());
            })?;
            index += 1;
        }
        let transports = transports(groups, 0);
        let stopping = Arc::clone(&self.stopping);
        self.spawn("timer".to_owned(), index, move |node, clock, worker| {
            worker.transports = Some(transports);
            let mut routes = TimerRoutes::of(node, clock.now());
            while !stopping.load(Ordering::Acquire) {
                std::thread::sleep(TIMER_STEP);
                let now = clock.now();
                worker.tick(node, now);
                routes.run_due(worker, node, now);
                worker.flush(node);
            }
        })
    }

    fn spawn(
        &self,
        name: String,
        index: usize,
        work: impl FnOnce(&Node, &Clock, &mut Worker) + Send + 'static,
    ) -> Result<(), StartError> {
        let (node, clock) = (Arc::clone(&self.node), self.clock);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || work(&node, &clock, &mut Worker::new(index)))
            .map_err(StartError::Thread)?;
        self.threads.lock().push(thread);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A receiver's loop: a batch in, run to completion, a batch out.
fn receive(mut receiver: Receiver, node: &Node, clock: &Clock, worker: &mut Worker) {
    let index = worker.index;
    let outcome = receiver.run(|batch| {
        let now = clock.now();
        let load = if batch.is_full() { Load::Backlog } else { Load::Calm };
        if batch.dropped() > 0 {
            node.statistics.shard(index).add(KERNEL_DROPS, batch.dropped().into());
        }
        for datagram in batch.iter() {
            worker.receive(node, now, datagram.bytes, datagram.flow, load);
            if worker.outbox.is_full() {
                worker.flush(node);
            }
        }
        worker.flush(node);
    });
    if let Err(error) = outcome {
        tracing::error!("a UDP receiver ended: {error}");
    }
}

impl Worker {
    /// What the timer thread does each time it looks.
    fn tick(&mut self, node: &Node, now: Moment) {
        if node.calls.next_due().is_some_and(|due| due <= now.tick)
            || self.next_dialogs.is_none_or(|due| due <= now.tick)
            || node.next_task().is_some_and(|due| due <= now.tick)
        {
            self.wake(node, now);
            // The dialogs' wheel turns in seconds: ask it once a second.
            self.next_dialogs = Some(now.tick + Duration::from_millis(500));
        }
        let waiting = node.queue.len();
        node.overloaded.store(waiting > QUEUE_MAX, Ordering::Relaxed);
    }
}

fn transports(groups: &[(u16, Vec<Arc<UdpSocket>>)], receiver: usize) -> Transports {
    let one = |group: &[Arc<UdpSocket>]| Arc::clone(&group[receiver % group.len()]);
    Transports::new(groups.iter().map(|(_, group)| one(group)).collect())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Numbers nobody outside can guess: the standard library's hasher keys come from the system.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// SplitMix64: many numbers from one.
struct Seeds(u64);

impl Seeds {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text(String);

    impl Sources for Text {
        fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
            Ok(self.0.clone())
        }
    }

    fn plan(settings: &str) -> Plan {
        let script = format!("{settings}\nloadmodule \"proto_udp.so\"\nroute {{ exit; }}\n");
        match Plan::load("test.cfg", &Text(script), &[], Overrides::default()) {
            Ok(plan) => plan,
            Err(error) => panic!("{error}"),
        }
    }

    /// spec/script.md §2.2, §2.3: a socket's own words win over those for all.
    #[test]
    fn sockets_are_set_up_as_they_say() {
        let plan = plan(
            "udp_workers = 1\ntos = 0x20\nmcast_ttl = 3\nmcast_loopback = no\nmaxbuffer = 1000\n\
             socket = udp:127.0.0.1:5060\n\
             socket = udp:localhost:5070 use_workers 7 tos 8 frag anycast accept_subdomain",
        );
        let sockets = plan.sockets().unwrap();
        let spec = |number| sockets.get(number).unwrap().spec();
        let (first, second) = (plan.udp_options(spec(0)), plan.udp_options(spec(1)));
        assert_eq!((first.tos, first.fragments, first.receive_buffer), (0x20, false, 1000));
        assert_eq!((first.multicast_ttl, first.multicast_loopback), (Some(3), Some(false)));
        assert_eq!((second.tos, second.fragments), (8, true));
        assert_eq!(plan.receivers(spec(0)), 1);
        assert_eq!(plan.receivers(spec(1)), 7.min(cores()));
        assert!(spec(1).anycast && !spec(0).anycast);
        assert!(sockets.is_me(b"a.localhost", Some(5070), None));
        assert!(!sockets.is_me(b"a.localhost", Some(5060), None));
    }

    /// spec/script.md §2.3.
    #[test]
    fn directories_are_the_script_s_to_choose() {
        let plan = plan("socket = udp:127.0.0.1:5060\nchroot = \"/srv\"\nworkdir = /var/spool");
        assert_eq!((plan.root(), plan.directory()), (Some("/srv"), Some("/var/spool")));
    }
}
