//! How users are kept: the modes and the database parameters of usrloc (spec/modules.md §13).

use std::time::Duration;

use duologue_store::{DatabaseUrl, Names, location::SCHEMA};

use crate::module::Parameters;

/// When rows are written (`sql_write_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// As soon as they differ.
    Through,
    /// Every `timer_interval`.
    Back,
}

/// What the script says about the database of users.
#[derive(Clone, Debug)]
pub struct UserStorageSettings {
    /// Whether the rows are read when the program starts (`restart_persistency`).
    pub loads: bool,
    /// When they are written, if ever.
    pub writes: Option<WriteMode>,
    /// `db_url`; `db_default_url` holds without it.
    pub url: Option<DatabaseUrl>,
    /// The names of columns. Each table has the name that the script gives it.
    pub names: Names,
    /// `timer_interval`: how often `write-back` writes.
    pub period: Duration,
    /// `db_start_wait`: how long the start waits for a database that does not answer.
    pub start_wait: Duration,
}

impl Default for UserStorageSettings {
    fn default() -> Self {
        Self {
            loads: false,
            writes: None,
            url: None,
            names: Names::of(&SCHEMA),
            period: Duration::from_secs(60),
            start_wait: Duration::from_secs(10),
        }
    }
}

impl UserStorageSettings {
    /// What the parameters of usrloc say. A preset stands above the modes one by one, and these above
    /// the number of OpenSIPS 3.1.
    ///
    /// # Errors
    /// The first of them that makes no sense, or asks for what is not built.
    pub fn of(parameters: &Parameters<'_>, period: Duration) -> Result<Self, String> {
        let preset = one_of(parameters, &PRESET)?;
        one_of(parameters, &CLUSTER)?;
        let persistency = one_of(parameters, &PERSISTENCY)?;
        let write_mode = one_of(parameters, &WRITE_MODE)?;
        if !matches!(parameters.int("location_cluster"), None | Some(0)) {
            return Err(format!("location_cluster: {NOT_BUILT}; 0 is"));
        }
        let by_number = match parameters.int("db_mode") {
            None | Some(0) => (false, None),
            Some(1) => (true, Some(WriteMode::Through)),
            Some(2) => (true, Some(WriteMode::Back)),
            Some(3) => return Err(format!("db_mode 3: {NOT_BUILT}; 0, 1 and 2 are")),
            Some(mode) => return Err(format!("db_mode is 0 to 3, not {mode}")),
        };
        let (loads, writes) = match (preset, persistency, write_mode) {
            (Some("single-instance-sql-write-through"), ..) => (true, Some(WriteMode::Through)),
            (Some("single-instance-sql-write-back"), ..) => (true, Some(WriteMode::Back)),
            (Some(_), ..) => (false, None),
            (None, None, None) => by_number,
            (None, persistency, mode) => {
                let mode = match mode {
                    Some("write-through") => Some(WriteMode::Through),
                    Some("write-back") => Some(WriteMode::Back),
                    _ => None,
                };
                (persistency == Some("load-from-sql"), mode)
            }
        };
        let url = parameters.str("db_url").map(str::parse).transpose();
        let mut names = Names::of(&SCHEMA);
        for parameter in SCHEMA.columns.iter().filter_map(|column| column.parameter) {
            if let Some(name) = parameters.str(parameter) {
                names.set(parameter, name).map_err(|bad| format!("{parameter}: {bad}"))?;
            }
        }
        let url = url.map_err(|error| format!("db_url: {error}"));
        // Without a mode the address means nothing, as in OpenSIPS.
        let url = if loads || writes.is_some() { url? } else { None };
        let start_wait = parameters.at_least("db_start_wait", 10, 0)?;
        let start_wait = Duration::from_secs(start_wait.into());
        Ok(Self { loads, writes, url, names, period, start_wait })
    }

    /// Whether a database is wanted at all.
    pub const fn wants_database(&self) -> bool {
        self.loads || self.writes.is_some()
    }
}

/// A parameter that takes one of several words: those that are built, and those that are known.
struct Words {
    name: &'static str,
    built: &'static [&'static str],
    known: &'static [&'static str],
}

const PRESET: Words = Words {
    name: "working_mode_preset",
    built: &[
        "single-instance-no-db",
        "single-instance-sql-write-through",
        "single-instance-sql-write-back",
    ],
    known: &[
        "sql-only",
        "federation-cachedb-cluster",
        "full-sharing-cluster",
        "full-sharing-cachedb-cluster",
    ],
};

const CLUSTER: Words = Words {
    name: "cluster_mode",
    built: &["none"],
    known: &["federation-cachedb", "full-sharing", "full-sharing-cachedb", "sql-only"],
};

const PERSISTENCY: Words = Words {
    name: "restart_persistency",
    built: &["none", "load-from-sql"],
    known: &["sync-from-cluster"],
};

const WRITE_MODE: Words =
    Words { name: "sql_write_mode", built: &["none", "write-through", "write-back"], known: &[] };

const NOT_BUILT: &str = "clusters of users, and users in the database alone, are not built yet";

/// The word that a parameter was given, if it is one that is built.
fn one_of<'a>(parameters: &Parameters<'a>, words: &Words) -> Result<Option<&'a str>, String> {
    let Words { name, built, known } = words;
    let listed = || format!("\"{}\"", built.join("\", \""));
    match parameters.str(name) {
        None => Ok(None),
        Some(given) if built.contains(&given) => Ok(Some(given)),
        Some(given) if known.contains(&given) => {
            Err(format!("{name} \"{given}\": {NOT_BUILT}; there is {}", listed()))
        }
        Some(given) => Err(format!("{name} is one of {}, not \"{given}\"", listed())),
    }
}
