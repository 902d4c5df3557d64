//! All commands, and how a name finds one (spec/script.md §15.3).

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use crate::params::Given;
use crate::{Answer, Caller, CommandError, Params, Role, audit};

/// One command as a module declares it.
pub struct Command {
    name: &'static str,
    aliases: Vec<&'static str>,
    help: &'static str,
    module: &'static str,
    signatures: &'static [&'static [&'static str]],
    options: &'static [&'static str],
    named_only: bool,
    /// Other names of parameters, each with the one that signatures have.
    renamed: Vec<(&'static str, &'static str)>,
    waits: bool,
    effect: Effect,
    secrets: &'static [&'static str],
    run: Run,
}

/// What a command does to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Changes,
    /// Only with this parameter; without it the command tells what is set.
    ChangesWith(&'static str),
    Reads,
}

impl Command {
    /// The command `name`, spelled `group:local`, which `module` exports; it takes no parameters
    /// until [`Command::signatures`] says otherwise, and counts as one that changes something until
    /// [`Command::reads`] does.
    ///
    /// The handler runs on a thread of its own and may block; several may run at once. A panic in
    /// it becomes a −32000 error.
    pub fn new(
        name: &'static str,
        module: &'static str,
        handler: impl Fn(&Params) -> Result<Answer, CommandError> + Send + Sync + 'static,
    ) -> Self {
        Self::with_run(name, module, Run::Handler(Box::new(handler)))
    }

    fn with_run(name: &'static str, module: &'static str, run: Run) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            help: "",
            module,
            signatures: &[&[]],
            options: &[],
            named_only: false,
            renamed: Vec::new(),
            waits: false,
            effect: Effect::Changes,
            secrets: &[],
            run,
        }
    }

    /// Another name, usually the flat one of old releases (`dlg_list`).
    pub fn alias(mut self, name: &'static str) -> Self {
        self.aliases.push(name);
        self
    }

    /// One sentence for `help`.
    pub fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// The parameter lists it takes, each an ordered list of names: `&[&[], &["callid"]]`.
    pub fn signatures(mut self, signatures: &'static [&'static [&'static str]]) -> Self {
        self.signatures = signatures;
        self
    }

    /// Named parameters of which any may be given and any left out; such a command has no
    /// signatures.
    pub fn options(mut self, options: &'static [&'static str]) -> Self {
        self.options = options;
        self
    }

    /// Refuses positional parameters.
    pub fn named_only(mut self) -> Self {
        self.named_only = true;
        self
    }

    /// Another name for a parameter, where parameters are named.
    pub fn also_named(mut self, other: &'static str, parameter: &'static str) -> Self {
        self.renamed.push((other, parameter));
        self
    }

    /// It changes nothing, so that callers who may only look may run it, and the [`audit`] says
    /// nothing of it.
    pub fn reads(mut self) -> Self {
        self.effect = Effect::Reads;
        self
    }

    /// The same, as long as the parameter is left out.
    pub fn reads_without(mut self, parameter: &'static str) -> Self {
        self.effect = Effect::ChangesWith(parameter);
        self
    }

    /// Parameters whose values the [`audit`] must not tell.
    pub fn secrets(mut self, parameters: &'static [&'static str]) -> Self {
        self.secrets = parameters;
        self
    }

    /// Its handler waits for what others do, such as the reply to a request. Who cannot wait runs it
    /// all the same, and [`Params::may_wait`] tells the handler.
    pub fn waits(mut self) -> Self {
        self.waits = true;
        self
    }

    /// Whether its handler waits for what others do.
    pub fn is_waiting(&self) -> bool {
        self.waits
    }

    /// Whether it may change something, whatever its parameters are.
    pub fn is_changing(&self) -> bool {
        self.effect != Effect::Reads
    }

    /// Whether it changes something when it is called so. Parameters that do not fit are an error.
    fn changes(&self, params: &Result<Params, CommandError>) -> bool {
        match (self.effect, params) {
            (Effect::Changes, _) => true,
            (Effect::ChangesWith(parameter), Ok(params)) => params.has(parameter),
            (Effect::ChangesWith(_), Err(_)) | (Effect::Reads, _) => false,
        }
    }

    fn bind(&self, mut given: Given) -> Result<Params, CommandError> {
        given.rename(&self.renamed);
        match self.options {
            [] => Params::bind(given, self.signatures, self.named_only),
            options => Params::bind_options(given, options),
        }
    }

    /// The canonical name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The canonical name, then the others.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    fn local_name(&self) -> &'static str {
        self.name.split_once(':').map_or(self.name, |(_, local)| local)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("name", &self.name)
            .field("aliases", &self.aliases)
            .field("signatures", &self.signatures)
            .finish_non_exhaustive()
    }
}

type Handler = dyn Fn(&Params) -> Result<Answer, CommandError> + Send + Sync;

enum Run {
    Handler(Box<Handler>),
    OverRegistry(fn(&Registry, &Params) -> Result<Answer, CommandError>),
}

/// A name that two commands claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate(
    /// The name.
    pub &'static str,
);

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "management command {} is registered twice", self.0)
    }
}

impl std::error::Error for Duplicate {}

/// The commands of a server. Filled at start-up, then shared as it is.
#[derive(Debug)]
pub struct Registry {
    commands: Vec<Command>,
    /// Canonical names and aliases.
    by_name: HashMap<&'static str, usize>,
    by_local_name: HashMap<&'static str, Vec<usize>>,
}

impl Registry {
    /// A registry that knows `core:which` and `core:help`.
    pub fn new() -> Self {
        let mut registry =
            Self { commands: Vec::new(), by_name: HashMap::new(), by_local_name: HashMap::new() };
        let own = [
            Command::with_run("core:which", "core", Run::OverRegistry(which))
                .alias("which")
                .help("lists all commands, the commands of a group, or the signatures of one")
                .reads()
                .signatures(&[&[], &["command"]]),
            Command::with_run("core:help", "core", Run::OverRegistry(help))
                .alias("help")
                .help("tells what a command does")
                .reads()
                .signatures(&[&[], &["mi_cmd"]]),
        ];
        for command in own {
            registry.add(command).expect("a new registry has no names");
        }
        registry
    }

    /// Adds a command.
    ///
    /// # Errors
    /// Its name or one of its aliases is taken; then nothing was added.
    pub fn add(&mut self, command: Command) -> Result<(), Duplicate> {
        let names = || command.names();
        if let Some(taken) = names().find(|name| self.by_name.contains_key(name)) {
            return Err(Duplicate(taken));
        }
        let index = self.commands.len();
        self.by_name.extend(names().map(|name| (name, index)));
        self.by_local_name.entry(command.local_name()).or_default().push(index);
        self.commands.push(command);
        Ok(())
    }

    /// The canonical names, in the order of registration.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.commands.iter().map(|command| command.name)
    }

    /// Finds a command by its canonical name, an alias, or its bare local name if only one has it.
    ///
    /// # Errors
    /// −32601 if there is none, −32001 with the full names if there are several.
    pub fn find(&self, name: &str) -> Result<&Command, CommandError> {
        if let Some(index) = self.by_name.get(name) {
            return Ok(&self.commands[*index]);
        }
        match self.by_local_name.get(name).map(Vec::as_slice) {
            None | Some([]) => Err(CommandError::new(-32601, "Method not found")),
            Some([index]) => Ok(&self.commands[*index]),
            Some(several) => {
                let names: Vec<_> =
                    several.iter().map(|index| self.commands[*index].name).collect();
                Err(CommandError::new(-32001, "Method ambiguous")
                    .with_data(format!("supported names: {}", names.join(", "))))
            }
        }
    }

    /// All commands, in the order of registration.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter()
    }

    /// Runs the command `name` with the parameters in a JSON array or object, for this program
    /// itself: it may do everything, and the [`audit`] says nothing of it. A handler that waits
    /// does so only with `may_wait`. Never panics, whatever the handler does.
    ///
    /// # Errors
    /// The command's own, and those of finding it and binding its parameters.
    pub fn call(&self, name: &str, params: Value, may_wait: bool) -> Result<Answer, CommandError> {
        let given = match params {
            Value::Null => Given::Positional(Vec::new()),
            Value::Array(values) => Given::Positional(values),
            Value::Object(values) => Given::Named(values),
            _ => return Err(CommandError::invalid_params("an array or an object is expected")),
        };
        self.run(name, given, may_wait, None)
    }

    /// The same, for who came through a door.
    pub(crate) fn run(
        &self,
        name: &str,
        given: Given,
        may_wait: bool,
        caller: Option<&Caller>,
    ) -> Result<Answer, CommandError> {
        let command = self.find(name)?;
        let mut params = command.bind(given);
        if let Ok(params) = &mut params {
            params.may_wait = may_wait;
        }
        let changes = command.changes(&params);
        let outcome = match &params {
            _ if changes && caller.is_some_and(|caller| caller.role == Role::ReadOnly) => {
                Err(forbidden(command.name))
            }
            Ok(params) => self.execute(command, params),
            Err(error) => Err(error.clone()),
        };
        if changes && let Some(caller) = caller {
            let params = params.as_ref().ok().map(|params| (params, command.secrets));
            audit::tell(command.name, caller, params, &outcome);
        }
        outcome
    }

    fn execute(&self, command: &Command, params: &Params) -> Result<Answer, CommandError> {
        let run = || match &command.run {
            Run::Handler(handler) => handler(params),
            Run::OverRegistry(own) => own(self, params),
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            tracing::error!(command = command.name, "a management command panicked");
            Err(CommandError::server("Command handler returned null"))
        })
    }

    fn find_or_404(&self, name: &str) -> Result<&Command, CommandError> {
        self.find(name).map_err(|error| match error.code {
            -32601 => unknown(),
            _ => error,
        })
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

fn forbidden(command: &str) -> CommandError {
    let why = format!("{command} changes something, and this caller may only read");
    CommandError::new(403, "Forbidden").with_data(why)
}

fn unknown() -> CommandError {
    CommandError::new(404, "unknown MI command")
}

fn which(registry: &Registry, params: &Params) -> Result<Answer, CommandError> {
    let Some(wanted) = params.optional_text("command")? else {
        // Aliases too: clients offer their users what stands here, and no other names.
        let every = registry.commands.iter().flat_map(Command::names);
        return Ok(every.collect::<Vec<_>>().into());
    };
    if wanted.ends_with(':') {
        let group: Vec<_> = registry.names().filter(|name| name.starts_with(&wanted)).collect();
        return if group.is_empty() { Err(unknown()) } else { Ok(group.into()) };
    }
    let command = registry.find_or_404(&wanted)?;
    if !command.options.is_empty() {
        return Ok(json!([command.options]).into());
    }
    Ok(command.signatures.iter().map(|names| Value::from(names.to_vec())).collect::<Value>().into())
}

fn help(registry: &Registry, params: &Params) -> Result<Answer, CommandError> {
    let Some(wanted) = params.optional_text("mi_cmd")? else {
        return Ok("help mi_cmd: tells what a command does; `which` lists the commands".into());
    };
    let command = registry.find_or_404(&wanted)?;
    Ok(json!({ "Help": command.help, "Exported by": command.module }).into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::new();
        let named = |name: &'static str| Command::new(name, "m", move |_| Ok(name.into()));
        registry.add(named("dialog:list").alias("dlg_list")).unwrap();
        registry.add(named("dialog:end_dlg").alias("dlg_end_dlg")).unwrap();
        registry.add(named("statistics:list").alias("list_statistics")).unwrap();
        registry
    }

    fn value(name: &str, params: Value) -> Result<Value, CommandError> {
        let given = match params {
            Value::Object(values) => Given::Named(values),
            Value::Array(values) => Given::Positional(values),
            _ => unreachable!("params are an array or an object"),
        };
        registry().run(name, given, true, None).map(|answer| match answer {
            Answer::Value(value) => value,
            Answer::Stream(_) | Answer::Listing(_) => unreachable!("none of these streams"),
        })
    }

    #[test]
    fn old_new_and_bare_names_find_the_command() {
        for (name, found) in [
            ("dialog:list", "dialog:list"),
            ("dlg_list", "dialog:list"),
            ("end_dlg", "dialog:end_dlg"),
            ("list_statistics", "statistics:list"),
        ] {
            assert_eq!(value(name, json!([])), Ok(json!(found)));
        }
        let ambiguous = value("list", json!([])).unwrap_err();
        assert_eq!(ambiguous.code, -32001);
        assert_eq!(
            ambiguous.data.as_deref(),
            Some("supported names: dialog:list, statistics:list")
        );
        for name in ["", ":", "dialog:", "dialog", "core:list", "DLG_LIST"] {
            assert_eq!(value(name, json!([])).unwrap_err().code, -32601, "{name}");
        }
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut registry = registry();
        let again = Command::new("other:thing", "m", |_| Ok(Answer::ok())).alias("dlg_list");
        assert_eq!(registry.add(again), Err(Duplicate("dlg_list")));
        assert!(registry.find("other:thing").is_err());
    }

    // spec/dialog.md §18 D22: a parameter that goes by two names
    #[test]
    fn a_parameter_may_have_another_name() {
        let mut registry = Registry::new();
        let told = |params: &Params| Ok(Answer::from(params.text("dlg_id")?));
        let command = Command::new("m:tell", "m", told).also_named("DID", "dlg_id");
        registry.add(command.signatures(&[&["dlg_id"]])).unwrap();
        let tell = |params: Value| registry.call("tell", params, false).map_err(|error| error.code);
        for params in [json!(["1"]), json!({"dlg_id": "1"}), json!({"DID": "1"})] {
            assert!(matches!(tell(params), Ok(Answer::Value(one)) if one == "1"));
        }
        for params in [json!({"did": "1"}), json!({"DID": "1", "dlg_id": "1"}), json!(1)] {
            assert_eq!(tell(params).unwrap_err(), -32602);
        }
    }

    // spec/script.md §15.1: our own fault is told, and the next command is answered
    #[test]
    fn a_panic_of_a_handler_is_an_error() {
        let mut registry = registry();
        registry.add(Command::new("m:stumble", "m", |_| panic!("a mistake"))).unwrap();
        assert_eq!(registry.call("m:stumble", Value::Null, true).unwrap_err().code, -32000);
        assert!(registry.call("dlg_list", Value::Null, true).is_ok());
    }

    #[test]
    fn who_may_only_read_changes_nothing() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let ran = |_: &Params| Ok(Answer::from(RUNS.fetch_add(1, Relaxed)));
        let mut registry = Registry::new();
        let commands = [
            Command::new("m:silent", "m", ran),
            Command::new("m:look", "m", ran).reads(),
            Command::new("m:level", "m", ran).signatures(&[&[], &["level"]]).reads_without("level"),
        ];
        commands.into_iter().for_each(|command| registry.add(command).unwrap());
        let run = |name: &str, params: Value, role| {
            let caller = Caller { door: "test", peer: String::new(), role };
            let given = Given::Positional(params.as_array().unwrap().clone());
            registry.run(name, given, true, Some(&caller)).map(drop).map_err(|error| error.code)
        };
        for (name, params) in
            [("look", json!([])), ("level", json!([])), ("which", json!([])), ("help", json!([]))]
        {
            assert_eq!(run(name, params, Role::ReadOnly), Ok(()), "{name}");
        }
        assert_eq!(RUNS.load(Relaxed), 2);
        // A command that does not say what it does changes something.
        for (name, params) in [("silent", json!([])), ("level", json!([1])), ("silent", json!([1]))]
        {
            assert_eq!(run(name, params, Role::ReadOnly), Err(403), "{name}");
        }
        assert_eq!(RUNS.load(Relaxed), 2, "what is refused is not run");
        assert_eq!(run("level", json!([1, 2]), Role::ReadOnly), Err(-32602));
        assert_eq!(run("nothing", json!([]), Role::ReadOnly), Err(-32601));
        assert_eq!(run("silent", json!([]), Role::Full), Ok(()));
        assert_eq!(run("level", json!([1]), Role::Full), Ok(()));
        assert!(registry.call("silent", Value::Null, true).is_ok());
        let changing: Vec<_> =
            registry.commands().filter(|it| it.is_changing()).map(Command::name).collect();
        assert_eq!(changing, ["m:silent", "m:level"]);
    }

    #[test]
    fn the_registry_tells_about_itself() {
        assert_eq!(
            value("which", json!([])),
            Ok(json!([
                "core:which",
                "which",
                "core:help",
                "help",
                "dialog:list",
                "dlg_list",
                "dialog:end_dlg",
                "dlg_end_dlg",
                "statistics:list",
                "list_statistics"
            ]))
        );
        assert_eq!(
            value("which", json!(["dialog:"])),
            Ok(json!(["dialog:list", "dialog:end_dlg"]))
        );
        assert_eq!(value("which", json!({"command": "which"})), Ok(json!([[], ["command"]])));
        assert_eq!(value("which", json!(["nothing"])), Err(unknown()));
        assert_eq!(value("which", json!(["nothing:"])), Err(unknown()));
        assert_eq!(value("which", json!(["list"])).unwrap_err().code, -32001);
        assert_eq!(value("help", json!(["dlg_list"])), Ok(json!({"Help": "", "Exported by": "m"})));
        assert_eq!(value("help", json!(["nothing"])), Err(unknown()));
    }
}
