//! How dialogs are kept: the database parameters of the dialog module (spec/dialog.md §11).

use std::time::Duration;

use duologue_store::{DatabaseUrl, Names, dialog::SCHEMA};

use crate::module::Parameters;

/// When rows are written (`db_mode`, spec/dialog.md §11.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Never (0).
    #[default]
    NoDb,
    /// As soon as they differ (1).
    Realtime,
    /// Every `db_update_period` (2).
    Delayed,
    /// When the program ends (3). What was read at the start is taken out of the table.
    Shutdown,
}

/// What becomes of a 2xx whose dialog cannot be stored in time (`durable_failure`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DurableFailure {
    /// It leaves all the same; the alarm is told.
    #[default]
    Forward,
    /// The caller gets a 500, the callee a BYE.
    Release,
}

/// What the script says about the database of dialogs.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// `db_mode`.
    pub mode: Mode,
    /// `db_url`; `db_default_url` holds without it.
    pub url: Option<DatabaseUrl>,
    /// `db_update_period`.
    pub update_period: Duration,
    /// `db_flush_vals_profiles`: off, values, profiles and flags are written at the end alone, and
    /// what was there is wiped before (decision D19).
    pub keep_values: bool,
    /// `table_name` and the names of columns.
    pub names: Names,
    /// `db_start_wait`: how long the start waits for a database that does not answer.
    pub start_wait: Duration,
    /// `db_probe_period`: over how long the questions after a restart are spread; none without it.
    pub probe_period: Option<Duration>,
    /// `durable`: a 2xx leaves once the row of its dialog is committed.
    pub durable: bool,
    /// `durable_wait`.
    pub durable_wait: Duration,
    /// `durable_failure`.
    pub durable_failure: DurableFailure,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            mode: Mode::NoDb,
            url: None,
            update_period: Duration::from_secs(60),
            keep_values: true,
            names: Names::of(&SCHEMA),
            start_wait: Duration::from_secs(10),
            probe_period: Some(Duration::from_secs(60)),
            durable: false,
            durable_wait: Duration::from_millis(500),
            durable_failure: DurableFailure::Forward,
        }
    }
}

impl StorageSettings {
    /// What the parameters of the dialog module say.
    ///
    /// # Errors
    /// The first of them that makes no sense.
    pub fn of(parameters: &Parameters<'_>) -> Result<Self, String> {
        let seconds = |name, default, min| {
            let value = parameters.at_least(name, default, min)?;
            Ok::<_, String>(Duration::from_secs(value.into()))
        };
        let mode = match parameters.int("db_mode").unwrap_or(0) {
            0 => Mode::NoDb,
            1 => Mode::Realtime,
            2 => Mode::Delayed,
            3 => Mode::Shutdown,
            other => return Err(format!("db_mode must be 0, 1, 2 or 3, not {other}")),
        };
        let url = parameters.str("db_url").map(str::parse).transpose();
        let durable = parameters.switch("durable", false);
        if durable && mode != Mode::Realtime {
            return Err(
                "durable needs db_mode 1: a row is written when its call is answered".into()
            );
        }
        let wait = parameters.within("durable_wait", 500, 1, 10_000)?;
        Ok(Self {
            mode,
            url: url.map_err(|error| format!("db_url: {error}"))?,
            update_period: seconds("db_update_period", 60, 1)?,
            keep_values: parameters.switch("db_flush_vals_profiles", true),
            names: names(parameters)?,
            start_wait: seconds("db_start_wait", 10, 0)?,
            probe_period: Some(seconds("db_probe_period", 60, 0)?).filter(|it| !it.is_zero()),
            durable,
            durable_wait: Duration::from_millis(wait.into()),
            durable_failure: match parameters.str("durable_failure") {
                None | Some("forward") => DurableFailure::Forward,
                Some("release") => DurableFailure::Release,
                Some(other) => {
                    return Err(format!(
                        "durable_failure is \"forward\" or \"release\", not \"{other}\""
                    ));
                }
            },
        })
    }
}

/// spec/dialog.md §11.1: the names of the table and its columns.
fn names(parameters: &Parameters<'_>) -> Result<Names, String> {
    let mut names = Names::of(&SCHEMA);
    if let Some(name) = parameters.str("table_name") {
        names.set_table(name).map_err(|bad| format!("table_name: {bad}"))?;
    }
    for parameter in SCHEMA.columns.iter().filter_map(|column| column.parameter) {
        if let Some(name) = parameters.str(parameter) {
            names.set(parameter, name).map_err(|bad| format!("{parameter}: {bad}"))?;
        }
    }
    Ok(names)
}
