//! Running the proxy: options in, a server that serves, an orderly end.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use duologue::script::{DEFAULT_NAME, Embedded, Files};
use duologue::{Overrides, Plan, Server, StartError, management};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::options::Options;
use crate::{logging, ready, restoring, terminal};

/// How long the transactions that run may take to finish after the first signal.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Runs the proxy until a signal or a command ends it, or only checks its script.
pub(crate) fn run(options: Options) -> ExitCode {
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if error.is_configuration() { 1 } else { 2 })
        }
    }
}

/// Why the program ended early.
#[derive(Debug)]
enum Failure {
    Option(String),
    Start(StartError),
    Machine(String),
}

impl Failure {
    fn is_configuration(&self) -> bool {
        match self {
            Self::Option(_) => true,
            Self::Start(error) => error.is_configuration(),
            Self::Machine(_) => false,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start(StartError::Script(diagnostics)) => {
                let color = terminal::takes_colors(&std::io::stderr());
                write!(f, "{}", diagnostics.render(color))
            }
            Self::Start(error) => write!(f, "duologue: {error}"),
            Self::Option(reason) | Self::Machine(reason) => write!(f, "duologue: {reason}"),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

fn serve(options: Options) -> Result<(), Failure> {
    if let Some(directory) = &options.directory {
        std::env::set_current_dir(directory)
            .map_err(|error| Failure::Option(format!("-w {}: {error}", directory.display())))?;
    }
    let tokens = options.tokens.read().map_err(Failure::Option)?;
    let plan = load(&options)?;
    if options.check || options.check_routes {
        management::check(&plan).map_err(not_managed)?;
        println!("config file ok, exiting...");
        return Ok(());
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| Failure::Machine(error.to_string()))?;
    let mut logs = plan.logs();
    logs.stderr.enabled |= options.log_stderr;
    let (_lines, ear) = logging::start(logs);
    settle(&plan, &options)?;
    let managed = ["mi_http", "mi_fifo", "mi_datagram", "mi_script", "prometheus"];
    let managed = managed.iter().any(|module| plan.has_module(module));
    let log_level = plan.log_level().saturating_add(i8::try_from(options.debug).unwrap_or(i8::MAX));
    let server = Arc::new(Server::start(plan.watch_restore(restoring::shown()))?);
    duologue::server::loglevel::configure(log_level);
    if let Some(ear) = ear {
        ear.raise_on(server.node().events.clone())
            .map_err(|error| Failure::Machine(error.to_string()))?;
    }
    let (kill, killed) = mpsc::channel();
    let handle = signals.handle();
    std::thread::spawn(move || {
        // A terminal that is closed, or a tool that rotates logs, does not end calls.
        for _ in signals.forever().filter(|signal| *signal != SIGHUP) {
            // The first one drains; whoever sends a second one has waited long enough.
            if kill.send(()).is_err() {
                std::process::exit(130);
            }
        }
    });
    // Scripts have their commands as long as it is kept.
    let registry = managed.then(|| commands(&server, &options)).transpose()?;
    let doors = registry.as_ref().map(|registry| open_management(&server, registry, tokens));
    let doors = doors.transpose()?;
    if let Some(path) = &options.pid_file {
        std::fs::write(path, format!("{}\n", std::process::id()))
            .map_err(|error| Failure::Machine(format!("{}: {error}", path.display())))?;
    }
    greet(&server, doors.as_ref(), options.file.is_none());
    ready::tell("READY=1");
    // The channel closes only if the signal thread is gone; then there is nothing to wait for.
    let _ = killed.recv();
    ready::tell("STOPPING=1");
    drain(&server, &killed);
    drop(doors);
    handle.close();
    server.stop();
    if let Some(path) = &options.pid_file {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Goes where the script wants the program to be (`chroot`, `wdir`); `-w` is there already.
fn settle(plan: &Plan, options: &Options) -> Result<(), Failure> {
    let failed = |what: &str, path: &str, error: std::io::Error| {
        Failure::Machine(format!("{what}={path}: {error}"))
    };
    if let Some(root) = plan.root() {
        std::os::unix::fs::chroot(root)
            .and_then(|()| std::env::set_current_dir("/"))
            .map_err(|error| failed("chroot", root, error))?;
    }
    if let Some(directory) = plan.directory().filter(|_| options.directory.is_none()) {
        std::env::set_current_dir(directory).map_err(|error| failed("wdir", directory, error))?;
    }
    Ok(())
}

fn load(options: &Options) -> Result<Plan, Failure> {
    let argv = options.define.iter().map(|text| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Failure::Option(format!("-o {text}: expected name=value"))),
    });
    let overrides = Overrides {
        listen: options.listen.clone(),
        udp_workers: options.udp_workers,
        argv: argv.collect::<Result<_, _>>()?,
        check_via: options.check_via,
        advertised_address: options.advertised_address.clone(),
        debug_mode: options.debug_mode,
        database: options.database.clone().unwrap_or_default(),
        ..Overrides::default()
    };
    let plan = match &options.file {
        Some(path) => Plan::load(&path.display().to_string(), &Files, &[], overrides)?,
        None => Plan::load(DEFAULT_NAME, &Embedded, &[], overrides)?,
    };
    let color = terminal::takes_colors(&std::io::stderr());
    if !plan.warnings().list().is_empty() {
        eprint!("{}", plan.warnings().render(color));
    }
    Ok(plan)
}

fn commands(
    server: &Arc<Server>,
    options: &Options,
) -> Result<Arc<management::rpc::Registry>, Failure> {
    let terminate = || {
        // The signal thread takes it from there, as for any other SIGTERM.
        let _ = signal_hook::low_level::raise(SIGTERM);
    };
    let registry = management::commands(server, terminate).and_then(|mut registry| {
        match &options.file {
            // A script from standard input is gone.
            Some(path) if path.as_os_str() == "-" => {}
            Some(path) => {
                management::reloading(&mut registry, server, path.display().to_string(), Files)?;
            }
            None => management::reloading(&mut registry, server, DEFAULT_NAME, Embedded)?,
        }
        Ok(registry)
    });
    let registry = registry.map_err(|error| Failure::Machine(format!("management: {error}")))?;
    let registry = Arc::new(registry);
    management::for_scripts(server.node(), &registry);
    Ok(registry)
}

fn open_management(
    server: &Arc<Server>,
    registry: &Arc<management::rpc::Registry>,
    tokens: management::Tokens,
) -> Result<management::Doors, Failure> {
    let doors = management::open_with(server, registry, tokens).map_err(not_managed)?;
    for warning in doors.warnings() {
        tracing::warn!("management: {warning}");
    }
    Ok(doors)
}

fn not_managed(error: management::rpc::Error) -> Failure {
    let told = format!("management: {error}");
    if error.is_configuration() { Failure::Option(told) } else { Failure::Machine(told) }
}

fn greet(server: &Server, doors: Option<&management::Doors>, built_in: bool) {
    let sockets: Vec<&str> =
        server.node().sockets.iter().map(|(_, socket)| socket.text()).collect();
    println!("Duologue {} listens on {}", env!("CARGO_PKG_VERSION"), sockets.join(", "));
    if let Some(doors) = doors.filter(|doors| !doors.places().is_empty()) {
        println!(
            "management: {} (JSON-RPC: dlg_list, get_statistics, which, ...)",
            doors.places().join(", ")
        );
    }
    if built_in {
        println!(
            "running the built-in script: phones of this machine register and call each other, and calls between its addresses go through"
        );
        println!(
            "try: sipp -sn uas -i 127.0.0.1 -p 5070   and   sipp -sn uac -i 127.0.0.1 -p 5071 -rsa 127.0.0.1:5060 -m 1 127.0.0.1:5070"
        );
    }
}

/// Refuses new calls and waits for the transactions that run, but not for ever.
fn drain(server: &Server, signal: &mpsc::Receiver<()>) {
    let node = server.node();
    node.drain();
    let until = Instant::now() + DRAIN_MAX;
    while !node.is_idle() && Instant::now() < until {
        if signal.recv_timeout(Duration::from_millis(50)).is_ok() {
            break;
        }
    }
    println!("ending; dialogs still open: {}", node.dialogs.statistics().active_dialogs);
}
