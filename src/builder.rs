//! The front door for programs that embed the server: what to run, what to add, go.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use duologue_dialog::Dialogs;
use duologue_server::module::{Host, Module, Refusal};
use duologue_server::{DatabaseChoice, Overrides, Plan, Server, StartError};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::script::{DEFAULT_NAME, Embedded, Files, Sources, TEXT_NAME, Text};

/// A server in the making: a script, and what your program adds to it.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     duologue::Builder::built_in()
///         .dialogs(|dialogs| {
///             dialogs.on_created(|event| println!("a call: {}", event.dialog().id()));
///         })
///         .run()
/// }
/// ```
///
/// Management commands are not opened; see [`management::open`](crate::management::open).
#[must_use = "nothing runs before `start` or `run`"]
pub struct Builder {
    path: String,
    sources: Box<dyn Sources>,
    modules: Vec<&'static Module>,
    overrides: Overrides,
    on_start: Vec<OnStart>,
}

type OnStart = Box<dyn FnOnce(&Host<'_>) -> Result<(), Refusal> + Send>;

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (script, overrides) = (&self.path, &self.overrides);
        let mut builder = f.debug_struct("Builder");
        builder.field("script", script).field("overrides", overrides).finish_non_exhaustive()
    }
}

impl Builder {
    /// The script that the program `duologue` carries: every call is a dialog, and calls go only to
    /// this machine.
    pub fn built_in() -> Self {
        Self::new(DEFAULT_NAME.to_owned(), Embedded).database(DatabaseChoice::Nowhere)
    }

    /// A script file; what it includes is looked for beside the process, then beside the file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::new(path.as_ref().display().to_string(), Files)
    }

    /// A script as text.
    pub fn text(script: impl Into<String>) -> Self {
        Self::new(TEXT_NAME.to_owned(), Text(script.into()))
    }

    fn new(path: String, sources: impl Sources + 'static) -> Self {
        Self {
            path,
            sources: Box::new(sources),
            modules: Vec::new(),
            overrides: Overrides::default(),
            on_start: Vec::new(),
        }
    }

    /// A module of yours: the script may load it by its name.
    pub fn module(mut self, module: &'static Module) -> Self {
        self.modules.push(module);
        self
    }

    /// Listens on these, `[proto:]address[:port]`, instead of the sockets that the script names.
    /// None leaves the script's; port 0 is one that is free.
    pub fn sockets(mut self, sockets: impl IntoIterator<Item = String>) -> Self {
        self.overrides.sockets.extend(sockets);
        self
    }

    /// A value for the script's `$argv(name)`.
    pub fn define(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.argv.push((name.into(), value.into()));
        self
    }

    /// Where dialogs are kept. The built-in script keeps them nowhere unless you say so here; other
    /// scripts where they say.
    pub fn database(mut self, choice: DatabaseChoice) -> Self {
        self.overrides.database = choice;
        self
    }

    /// Hands you the dialogs before the first call: the place for
    /// [`Dialogs::on_created`] and [`Dialogs::add_profiles`]. The handle may be kept.
    #[doc(alias = "load_dlg_api")]
    pub fn dialogs(self, start: impl FnOnce(&Dialogs) + Send + 'static) -> Self {
        self.on_start(move |host| {
            start(&host.dialogs()?);
            Ok(())
        })
    }

    /// As [`dialogs`](Self::dialogs), for more than dialogs, and for what may go wrong.
    pub fn on_start(
        mut self,
        start: impl FnOnce(&Host<'_>) -> Result<(), Refusal> + Send + 'static,
    ) -> Self {
        self.on_start.push(Box::new(start));
        self
    }

    /// Loads and checks the script; nothing is opened.
    ///
    /// # Errors
    /// All mistakes of the script, with their places.
    pub fn plan(self) -> Result<Plan, StartError> {
        let plan = Plan::load(&self.path, &*self.sources, &self.modules, self.overrides)?;
        Ok(self.on_start.into_iter().fold(plan, Plan::on_start))
    }

    /// Opens the sockets and starts the workers; the server stops when it is dropped.
    ///
    /// # Errors
    /// See [`StartError`]; among others, when [`dialogs`](Self::dialogs) was called and the script
    /// does not load the dialog module.
    pub fn start(self) -> Result<Server, StartError> {
        Server::start(self.plan()?)
    }

    /// All that a `main` does: starts, says where it listens, and serves until the process gets
    /// SIGINT (^C) or SIGTERM. What keeps it from starting is told on standard error; the code is 1
    /// if the script is at fault, 2 if the machine is.
    ///
    /// Logs go to `tracing`, and nowhere unless the program installs a subscriber.
    pub fn run(self) -> ExitCode {
        match self.serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(if error.is_configuration() { 1 } else { 2 })
            }
        }
    }

    fn serve(self) -> Result<(), StartError> {
        let plan = self.plan()?;
        eprint!("{}", plan.warnings().render(false));
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(StartError::Thread)?;
        let server = Server::start(plan)?;
        for (_, socket) in server.node().sockets.iter() {
            println!("listening on {}", socket.text());
        }
        signals.forever().next();
        server.stop();
        Ok(())
    }
}
