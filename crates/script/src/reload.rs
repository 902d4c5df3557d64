//! A script in place of one that runs: its routes count at once, all else from the next start on
//! (spec §15.4, `reload_routes`).

use std::fmt;

use crate::catalog::Catalog;
use crate::diagnostic::Diagnostics;
use crate::program::Program;
use crate::script::{Location, Script, Setup};
use crate::source::Sources;

/// A script that can take the place of the one that runs.
#[derive(Debug)]
pub struct Reloaded {
    /// Its routes, with the setup that stays in force.
    pub script: Script,
    /// What works, but not as its author may think.
    pub warnings: Diagnostics,
    /// What it says that a restart would obey.
    pub pending: Vec<Pending>,
}

impl Script {
    /// Reads a script that comes in place of one that runs: blocks and flags keep the numbers that
    /// they had, by their names, so that who kept a number means the new block. A block that is not
    /// there any more has no effect.
    ///
    /// The setup of the one that runs stays in force, and the new routes are held against it.
    ///
    /// # Errors
    /// As [`load`](Self::load); also the use of a module that does not run.
    pub fn reload<S: Sources + ?Sized>(
        path: &str,
        sources: &S,
        catalog: &dyn Catalog,
        (setup, program): (&Setup, &Program),
    ) -> Result<Reloaded, Diagnostics> {
        let loaded = Self::load_over(path, sources, catalog, program.names(), Some(setup));
        let (read, warnings) = Self::told(loaded)?;
        let pending = pending(setup, &read.setup);
        let script = Self { setup: setup.clone(), program: read.program };
        Ok(Reloaded { script, warnings, pending })
    }
}

/// Something outside of the routes that the file says otherwise than the script that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What it is, without its value, which may be a secret: `modparam("tm", "fr_timeout", …)`.
    pub what: String,
    /// How it differs.
    pub change: Change,
    /// Where the file says so; if it is gone, where it stood.
    pub location: Location,
}

/// How a file differs from what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has another value.
    Changed,
    /// It was not there.
    New,
    /// It is not there any more.
    Gone,
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, change, location: Location { file, line } } = self;
        let rest = match change {
            Change::Changed => "is changed: the old value stays in force until a restart",
            Change::New => "is new: it has no effect before a restart",
            Change::Gone => "is gone: it stays in force until a restart",
        };
        write!(f, "{file}:{line}: {what} {rest}")
    }
}

/// What differs, in the order of the new file; what is gone comes last.
fn pending(in_force: &Setup, read: &Setup) -> Vec<Pending> {
    let (old, new) = (Said::all(in_force), Said::all(read));
    let mut names: Vec<&str> = Vec::new();
    for said in new.iter().chain(&old) {
        if !names.contains(&&*said.what) {
            names.push(&said.what);
        }
    }
    let mut found = Vec::new();
    for what in names {
        let of_name = |said: &&Said| said.what == what;
        let before: Vec<&Said> = old.iter().filter(of_name).collect();
        let after: Vec<&Said> = new.iter().filter(of_name).collect();
        compare(&before, &after, &mut found);
    }
    found
}

/// What one name says, before and after. Whatever they have in common in front and behind is left
/// out, so that one more in a list is one more.
fn compare(mut old: &[&Said], mut new: &[&Said], found: &mut Vec<Pending>) {
    while let ([a, old_rest @ ..], [b, new_rest @ ..]) = (old, new)
        && a.value == b.value
    {
        (old, new) = (old_rest, new_rest);
    }
    while let ([old_rest @ .., a], [new_rest @ .., b]) = (old, new)
        && a.value == b.value
    {
        (old, new) = (old_rest, new_rest);
    }
    let both = old.len().min(new.len());
    let changed = new[..both].iter().map(|it| it.pending(Change::Changed));
    let more = new[both..].iter().map(|it| it.pending(Change::New));
    let less = old[both..].iter().map(|it| it.pending(Change::Gone));
    found.extend(changed.chain(more).chain(less));
}

/// One thing that a setup says.
struct Said {
    what: String,
    value: String,
    location: Location,
}

impl Said {
    fn all(setup: &Setup) -> Vec<Self> {
        let module_name = |id| {
            let module = setup.modules.iter().find(|module| module.id == id);
            module.map_or("", |module| &module.name)
        };
        let say = |what: String, value: String, location: &Location| Self {
            what,
            value,
            location: location.clone(),
        };
        let modules = setup
            .modules
            .iter()
            .map(|it| say(format!("loadmodule \"{}.so\"", it.name), String::new(), &it.location));
        let globals = setup
            .globals
            .iter()
            .map(|it| say(format!("`{}`", it.name), format!("{:?}", it.value), &it.location));
        let sockets = setup.sockets.iter().map(|it| {
            let place = Location::default();
            let value = format!("{:?}", crate::script::Socket { location: place, ..it.clone() });
            say("`socket`".to_owned(), value, &it.location)
        });
        let aliases = setup.aliases.iter().map(|it| {
            let place = Location::default();
            let value = format!("{:?}", crate::script::Alias { location: place, ..it.clone() });
            say("`alias`".to_owned(), value, &it.location)
        });
        let bonds = setup.bonds.iter().map(|it| {
            let what = format!("`socket = bond:{}`", it.name);
            say(what, format!("{:?}", it.members), &it.location)
        });
        let modparams = setup.modparams.iter().map(|it| {
            let what = format!("modparam(\"{}\", \"{}\", …)", module_name(it.module), it.name);
            say(what, format!("{:?}", it.value), &it.location)
        });
        modules.chain(globals).chain(sockets).chain(aliases).chain(bonds).chain(modparams).collect()
    }

    fn pending(&self, change: Change) -> Pending {
        Pending { what: self.what.clone(), change, location: self.location.clone() }
    }
}
