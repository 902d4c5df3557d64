//! What a module meets when the proxy is built: the others, and the dialog API.

use std::error::Error;
use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use duologue_dialog::Dialogs;
use duologue_script::{FlagKind, Program};
use duologue_sip::Moment;
use siphasher::sip::SipHasher13;

use crate::cachedb::CacheDb;
use crate::events::Events;
use crate::node::Node;
use crate::statistics::Statistics;

/// The proxy as modules meet it when it starts, once: the script is loaded, no socket is open.
///
/// [`Module::start`](super::Module::start) gets one, and so does what a program that embeds the
/// server passes to [`Plan::on_start`](crate::Plan::on_start). [`Module::meet`](super::Module::meet)
/// gets one with each script.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    pub(crate) node: &'a Node,
    pub(crate) program: &'a Program,
}

impl<'a> Host<'a> {
    /// The proxy with a script that is about to run.
    pub(crate) const fn new(node: &'a Node, program: &'a Program) -> Self {
        Self { node, program }
    }

    /// The dialog API: a cheap handle, to keep and to share. What is registered on it now sees
    /// every dialog that there will be.
    ///
    /// # Errors
    /// [`NotLoaded`] when the script has no `loadmodule "dialog.so"`: no dialog would ever be made.
    #[doc(alias = "load_dlg_api")]
    pub fn dialogs(&self) -> Result<Dialogs, NotLoaded> {
        self.needs(crate::modules::dialog::MODULE.name)?;
        Ok(self.node.dialogs.clone())
    }

    /// The event bus, to keep and to share: the place to publish events, to subscribe to them and to
    /// add transports. [`crate::events`] has an example of each.
    #[doc(alias = "evi_publish_event")]
    pub fn events(&self) -> Events {
        self.node.events.clone()
    }

    /// Insists on another module.
    ///
    /// # Errors
    /// [`NotLoaded`] when the script does not load it.
    pub fn needs(&self, module: &'static str) -> Result<(), NotLoaded> {
        if self.program.has_module(module) { Ok(()) } else { Err(NotLoaded { module }) }
    }

    /// The names of the flags of a kind that the script uses; a name's place is its bit number. Dialogs
    /// number theirs themselves, by name: [`Dialogs::user_flags_named`].
    pub fn flag_names(&self, kind: FlagKind) -> &'a [String] {
        self.program.flag_names(kind)
    }

    /// The constant texts that the script gives to a function at a position, counted from 0: names
    /// that can be made ready now instead of being looked for with each message.
    pub fn constants(&self, function: &str, position: usize) -> impl Iterator<Item = &'a str> {
        let (program, id) = (self.program, self.node.catalog.function_named(function));
        let literals = id.into_iter().flat_map(move |id| program.literals(id, position));
        literals.filter_map(|literal| std::str::from_utf8(literal).ok())
    }

    /// The bit of a flag, if the script or a parameter names it.
    pub fn flag(&self, kind: FlagKind, name: &str) -> Option<u32> {
        self.program.flag(kind, name).map(|bit| 1 << bit)
    }

    /// A key that nobody outside can guess, the same for the same purpose as long as the proxy runs:
    /// for tables whose keys are chosen by peers.
    pub fn secret(&self, purpose: &str) -> (u64, u64) {
        let half = |which: u8| {
            let mut hasher = SipHasher13::new_with_keys(self.node.tag_key.0, self.node.tag_key.1);
            hasher.write_u8(which);
            hasher.write(purpose.as_bytes());
            hasher.finish()
        };
        (half(1), half(2))
    }

    /// When the proxy started, which is now.
    pub fn started(&self) -> Moment {
        self.node.started
    }

    /// A number that differs from start to start, for what should be different each time and is no
    /// secret. A proxy in virtual time has one that stays.
    pub fn seed(&self) -> u64 {
        // Not the key itself: what is made of this number may be seen outside.
        let mut hasher =
            siphasher::sip::SipHasher13::new_with_keys(self.node.tag_key.0, self.node.tag_key.1);
        hasher.write(b"seed");
        hasher.finish()
    }

    /// The counters: the place to declare some of yours.
    pub fn statistics(&self) -> &'a Statistics {
        &self.node.statistics
    }

    /// Enters a key-value store, which scripts then know as `engine` or `engine:group`. Where two
    /// have one name, the first stays.
    #[doc(alias = "register_cachedb")]
    pub fn add_cache(&self, engine: &'static str, group: Option<String>, store: Arc<dyn CacheDb>) {
        self.node.caches.enter(engine, group, store);
    }

    /// The settings that a module's `configure` made, by their type.
    ///
    /// # Panics
    /// As [`Node::settings`], if no module has settings of this type.
    pub fn settings<T: 'static>(&self) -> &'a T {
        self.node.settings()
    }
}

/// A module that is needed and that the script does not load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLoaded {
    /// Its name.
    pub module: &'static str,
}

impl fmt::Display for NotLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = self.module;
        write!(f, "the script does not load module {module}: add loadmodule \"{module}.so\"")
    }
}

impl Error for NotLoaded {}
