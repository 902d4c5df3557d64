//! Which databases a script wants, and where they are.

use duologue_script::{Script, Setting};
use duologue_store::DatabaseUrl;

use crate::module::{Module, Settings};
use crate::modules::{self, dialog::DialogSettings, usrloc::Usrloc};
use crate::server::{Overrides, StartError, find};
use crate::storage::Mode;

/// What becomes of the databases that the script names for its dialogs and users.
#[derive(Clone, Debug, Default)]
pub enum DatabaseChoice {
    /// It is used.
    #[default]
    OfScript,
    /// None is: nothing is read or written.
    Nowhere,
    /// This one is, for all of them.
    At(DatabaseUrl),
}

/// Where dialogs (spec/dialog.md §11.2) and users (spec/modules.md §13) are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Databases {
    pub(crate) dialogs: Option<DatabaseUrl>,
    pub(crate) users: Option<DatabaseUrl>,
}

impl Databases {
    /// What the script and who starts us say.
    pub(crate) fn of(
        script: &Script,
        settings: &[Settings],
        overrides: &Overrides,
    ) -> Result<Self, StartError> {
        let dialogs = &find::<DialogSettings>(settings).storage;
        let users = &find::<Usrloc>(settings).storage;
        let dialogs_of =
            Wish { module: &modules::dialog::MODULE, mode: "db_mode", url: dialogs.url.as_ref() };
        let users_of =
            Wish { module: &modules::usrloc::MODULE, mode: "its mode", url: users.url.as_ref() };
        let wanted = |wish: Wish<'_>| wish.url(script, overrides);
        Ok(Self {
            dialogs: (dialogs.mode != Mode::NoDb).then_some(dialogs_of).map_or(Ok(None), wanted)?,
            users: users.wants_database().then_some(users_of).map_or(Ok(None), wanted)?,
        })
    }
}

/// A module that wants a database.
struct Wish<'a> {
    module: &'static Module,
    /// The parameter that says so.
    mode: &'static str,
    /// Its `db_url`.
    url: Option<&'a DatabaseUrl>,
}

impl Wish<'_> {
    /// At `db_url`, else at `db_default_url`; nowhere if the module is not loaded, or the one who
    /// started us said so.
    fn url(
        &self,
        script: &Script,
        overrides: &Overrides,
    ) -> Result<Option<DatabaseUrl>, StartError> {
        let is_loaded = script.setup.has_module(self.module.name);
        if !is_loaded || matches!(overrides.database, DatabaseChoice::Nowhere) {
            return Ok(None);
        }
        let refused = |reason: String| StartError::Module(self.module.name, reason);
        let default = script.setup.global("db_default_url").and_then(Setting::str);
        let url = match (&overrides.database, self.url, default) {
            (DatabaseChoice::At(url), ..) | (_, Some(url), _) => url.clone(),
            (_, None, Some(default)) => {
                default.parse().map_err(|error| refused(format!("db_default_url: {error}")))?
            }
            (_, None, None) => {
                let mode = self.mode;
                return Err(refused(format!(
                    "{mode} wants a database: set db_url or db_default_url"
                )));
            }
        };
        if matches!(overrides.database, DatabaseChoice::OfScript) {
            url.require_driver(|module| script.setup.has_module(module))
                .map_err(|error| refused(format!("db_url: {error}")))?;
        }
        Ok(Some(url))
    }
}
