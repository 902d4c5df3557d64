//! A script becomes a running proxy: the plan (loaded, checked, nothing opened yet), then the server
//! (sockets open, threads running).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use duologue_dialog::{Dialogs, EndReason, Heard, Wish};
use duologue_script::{Diagnostics, Program, Script, Setting, Sources};
use duologue_sip::{Moment, Tick};
use duologue_transaction::BranchKey;
use parking_lot::Mutex;

use crate::call::{Ending, Job};
use crate::catalog::Catalog;
use crate::dialogs::{Published, Told};
use crate::events::{self, Events};
use crate::index::{CallIndex, Entered};
use crate::module::{Host, Module, Parameters, Refusal, Settings};
use crate::modules::{self, dialog::DialogSettings, udp::UdpSettings};
use crate::net::{Receiver, Transports, UdpOptions, UdpSocket};
use crate::node::{Node, Routes};
use crate::own_routes::{self, TimerRoutes};
use crate::road::Load;
use crate::runqueue::RunQueue;
use crate::slow::{SlowMessages, THRESHOLD};
use crate::sockets::{Advertised, AliasSpec, Proto, SocketSpec, Sockets};
use crate::statistics::{KERNEL_DROPS, Statistics};
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
}

/// A script that loaded without an error, with its settings understood. Nothing is open yet.
pub struct Plan {
    catalog: Catalog,
    script: Script,
    warnings: Diagnostics,
    settings: Vec<Settings>,
    overrides: Overrides,
    on_start: Vec<OnStart>,
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
        let modules = modules::ALL.iter().chain(extra_modules).copied().collect();
        let catalog = Catalog::new(modules);
        let (script, warnings) =
            Script::load(path, sources, &catalog).map_err(StartError::Script)?;
        let settings = configure(&catalog, &script)?;
        let has_dialogs = script.modules.iter().any(|it| it.name == modules::dialog::MODULE.name);
        events::check_routes(&script.program, has_dialogs).map_err(StartError::Events)?;
        Ok(Self { catalog, script, warnings, settings, overrides, on_start: Vec::new() })
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
        self.script.modules.iter().any(|module| module.name == name)
    }

    /// The log level that the script or the command line asks for.
    pub fn log_level(&self) -> i8 {
        let asked = self.script.global("log_level").and_then(Setting::int).unwrap_or(2);
        let asked = if self.debug_mode() { 4 } else { asked };
        i8::try_from(asked.clamp(-3, 4)).unwrap_or(crate::loglevel::DEFAULT)
    }

    fn debug_mode(&self) -> bool {
        self.overrides.debug_mode || self.switch("debug_mode", false)
    }

    fn int(&self, name: &str) -> Option<i32> {
        self.script.global(name).and_then(Setting::int)
    }

    fn switch(&self, name: &str, default: bool) -> bool {
        self.int(name).map_or(default, |value| value != 0)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.script.global(name).and_then(Setting::str)
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
        let xlog_level = self.int("xlog_level").unwrap_or(2);
        let dialog = self.settings::<DialogSettings>().cloned().unwrap_or_default();
        let events = Events::default();
        let with_dialogs = self.has_module(modules::dialog::MODULE.name);
        let dialog_events = with_dialogs.then(|| Published::on(&events));
        let micros = self.int("exec_msg_threshold").or(self.int("execmsgthreshold"));
        let micros = micros.and_then(|micros| u64::try_from(micros).ok()).filter(|it| *it > 0);
        let slow_messages = micros.map(|micros| SlowMessages {
            limit: Duration::from_micros(micros),
            event: events.publish_own(THRESHOLD),
        });
        let program: Arc<Program> = Arc::new(self.script.program);
        let node = Node {
            routes: Routes::of(&program),
            slow_messages,
            told: Told::of(&program, dialog_events, dialog.event_ids),
            events,
            catalog: self.catalog,
            program,
            sockets,
            calls: CallIndex::new((numbers.next(), numbers.next()), CALLS_MAX),
            dialogs: Dialogs::new(dialog.engine, numbers.next()),
            statistics: Statistics::new(workers),
            queue: RunQueue::default(),
            branch_key: BranchKey::new(numbers.next(), numbers.next()),
            tag_key: (numbers.next(), numbers.next()),
            server_header,
            user_agent_header,
            disable_503_translation,
            check_via,
            record_routing,
            xlog_level,
            argv: self.overrides.argv,
            started: now,
            settings: self.settings.into_iter().map(|it| ((*it).type_id(), it)).collect(),
            draining: AtomicBool::new(false),
            overloaded: AtomicBool::new(false),
            stateless_acks_until: AtomicU64::new(0),
            endings: Mutex::default(),
        };
        start_modules(&Host::new(&node, &self.script.modules), self.on_start)?;
        events::join_script(&node).map_err(StartError::Events)?;
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
            true => &self.script.sockets[..],
            false => &[],
        };
        for socket in scripted {
            let proto = Proto::from_name(socket.proto.as_bytes())
                .filter(|proto| *proto == Proto::Udp)
                .ok_or_else(|| StartError::Transport(socket.proto.clone()))?;
            let ports = if socket.ports.is_empty() { &[port][..] } else { &socket.ports[..] };
            for &port in ports {
                let mut spec = SocketSpec::new(proto, socket.host.clone(), Some(port));
                spec.advertised = socket.advertised.clone();
                spec.tag = socket.tag.clone();
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
        let aliases = self.script.aliases.iter().map(|alias| AliasSpec {
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
        Sockets::build(specs, aliases, advertised)
            .map_err(|error| StartError::Socket(error.to_string()))
    }

    /// How many receivers each UDP socket gets: as many as asked for, but no more than there are
    /// cores, since a receiver never waits for anything but its socket.
    fn receivers(&self) -> usize {
        let asked = match self.overrides.udp_workers {
            Some(count) => i32::from(count),
            None if self.debug_mode() => 2,
            None => self.int("udp_workers").unwrap_or(8),
        };
        usize::try_from(asked).unwrap_or(1).clamp(1, cores())
    }
}

fn configure(catalog: &Catalog, script: &Script) -> Result<Vec<Settings>, StartError> {
    let mut settings = Vec::new();
    for (id, module) in catalog.built() {
        let made = (module.configure)(&Parameters::of(script, id));
        settings.push(made.map_err(|reason| StartError::Module(module.name, reason))?);
    }
    Ok(settings)
}

/// Starts the modules that the script loads, then what the embedding program adds.
fn start_modules(host: &Host<'_>, on_start: Vec<OnStart>) -> Result<(), StartError> {
    for (_, module) in host.node.catalog.built() {
        if host.needs(module.name).is_ok() {
            (module.start)(host)
                .map_err(|reason| StartError::Module(module.name, reason.to_string()))?;
        }
    }
    on_start.into_iter().try_for_each(|start| start(host)).map_err(StartError::Refused)
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
}

impl StartError {
    /// Whether the script or the options are at fault, not the machine.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, Self::Bind(..) | Self::Thread(_))
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
            Self::Socket(reason) | Self::Events(reason) => f.write_str(reason),
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
    stopping: Arc<AtomicBool>,
}

impl Server {
    /// Opens the sockets and starts the workers.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(plan: Plan) -> Result<Self, StartError> {
        crate::loglevel::set(plan.log_level());
        let mut table = plan.sockets()?;
        let receivers = plan.receivers();
        let options = UdpOptions {
            receive_buffer: usize::try_from(plan.int("maxbuffer").unwrap_or(262_144))
                .unwrap_or(262_144),
            ..UdpOptions::default()
        };
        let mut groups = Vec::new();
        let addresses: Vec<(u16, SocketAddr)> =
            table.iter().map(|(number, socket)| (number, socket.address())).collect();
        for (number, address) in addresses {
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
        let workers = receivers * groups.len() + helpers + 1;
        let clock = Clock::start();
        let node = Arc::new(plan.build(table, workers, clock.now(), entropy())?);
        let server = Self {
            node,
            clock,
            sockets: groups.iter().flat_map(|(_, group)| group.iter().cloned()).collect(),
            threads: Mutex::default(),
            stopping: Arc::new(AtomicBool::new(false)),
        };
        connect_intents(&server.node);
        let mut worker = Worker::new(workers - 1);
        worker.run_startup(&server.node, server.clock.now());
        worker.transports = Some(transports(&groups, 0));
        worker.flush(&server.node);
        server.start_threads(&groups, receivers, helpers)?;
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
        end_dialog(&self.node, dialog, reason, ending)
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
        self.node.dialogs.shutdown();
        self.node.events.shutdown();
    }

    fn start_threads(
        &self,
        groups: &[(u16, Vec<Arc<UdpSocket>>)],
        receivers: usize,
        helpers: usize,
    ) -> Result<(), StartError> {
        let mut index = 0;
        for receiver in 0..receivers {
            for (number, group) in groups {
                let socket = Arc::clone(&group[receiver]);
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
            let transports = transports(groups, helper % receivers);
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

/// Asks for the end of a dialog, with header lines for its BYEs; false if it has ended already.
pub fn end_dialog(
    node: &Node,
    dialog: &duologue_dialog::Dialog,
    reason: &str,
    ending: Ending,
) -> bool {
    node.endings.lock().insert(dialog.key(), ending);
    let heard = dialog.terminate(EndReason::new(reason.to_owned()));
    // Taken by the job that was queued; nothing is left if none was.
    if heard != Ok(Heard::Queued) {
        node.endings.lock().remove(&dialog.key());
    }
    heard.is_ok()
}

/// What callbacks ask of a call is queued behind what the call is doing, for a worker to run; so are
/// events for the event routes of the script.
///
/// [`Server::start`] does this; who builds a [`Node`] by itself, to drive it in virtual time, does
/// it once and runs the queue with [`Worker::run_waiting`].
pub fn connect_intents(node: &Arc<Node>) {
    let weak = Arc::downgrade(node);
    node.dialogs.set_mailbox(move |intent| {
        if let Some(node) = weak.upgrade() {
            match intent.wish {
                Wish::End => {
                    let ending = node.endings.lock().remove(&intent.key).unwrap_or_default();
                    post(&node, intent.key, || Job::EndDialog(intent.key, ending.clone()));
                }
                Wish::Send => post(&node, intent.key, || Job::SendWithin(intent.key)),
            }
        }
    });
    let weak = Arc::downgrade(node);
    node.events.set_runner(move |route| {
        if let Some(node) = weak.upgrade() {
            let call_id = own_routes::call_id_of_event(route);
            post_to(&node, call_id.as_bytes(), || Job::EventRoute(route));
        }
    });
}

/// Queues a job on the call of a dialog and sees to it that a worker runs it.
fn post(node: &Node, key: duologue_dialog::DialogKey, job: impl Fn() -> Job) {
    if let Ok(call_id) = node.dialogs.handle(key).call_id() {
        post_to(node, &call_id, job);
    }
}

/// Queues a job on the call of a Call-ID and sees to it that a worker runs it.
fn post_to(node: &Node, call_id: &[u8], job: impl Fn() -> Job) {
    match node.calls.enter_own(call_id, &job) {
        Entered::Run(call) => {
            call.queue(job());
            node.queue.push(call);
        }
        Entered::Queued | Entered::Overflow | Entered::Unknown | Entered::Full => {}
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
    Transports::new(groups.iter().map(|(_, group)| Arc::clone(&group[receiver])).collect())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The only clock of the proxy: monotonic since its start, and the wall clock for people.
#[derive(Clone, Copy, Debug)]
struct Clock {
    origin: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { origin: Instant::now() }
    }

    fn now(&self) -> Moment {
        let millis = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Moment { tick: Tick::from_millis(millis), unix }
    }
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
