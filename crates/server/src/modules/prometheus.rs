//! `prometheus`: what the proxy counts, for a monitoring system that asks over HTTP. The page itself is
//! made by the program; here are only the names and settings that scripts know.

use crate::module::{Host, Module, Parameter, Parameters, Refusal, Settings};

/// The declaration.
pub static MODULE: Module = Module {
    name: "prometheus",
    parameters: &[
        Parameter::str("root"),
        Parameter::str("prefix"),
        Parameter::str("group_prefix"),
        Parameter::str("delimiter"),
        Parameter::str("group_label"),
        Parameter::int("group_mode"),
        Parameter::str("statistics"),
        Parameter::planned("labels"),
        Parameter::planned("script_route"),
    ],
    configure,
    start,
    ..Module::EMPTY
};

/// What the page shows, and under which names.
#[derive(Clone, Debug)]
pub struct PrometheusSettings {
    /// The path without its slashes.
    pub root: String,
    /// The beginning of every name; may be empty.
    pub prefix: String,
    /// What stands before the group of a statistic.
    pub group_prefix: String,
    /// What stands between the parts of a name.
    pub delimiter: String,
    /// The label that tells the group.
    pub group_label: String,
    /// Where the group of a statistic is told.
    pub group_mode: GroupMode,
    /// The statistics to show: `all`, `group:` or names.
    pub statistics: Vec<String>,
}

/// Where the group of a statistic is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupMode {
    /// Nowhere.
    Hidden,
    /// In the name.
    Named,
    /// In a label.
    Labelled,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let text = |name: &'static str, default: &str| {
        let text = parameters.str(name).unwrap_or(default);
        let harmless = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if harmless { Ok(text.to_owned()) } else { Err(unusable(name, text)) }
    };
    let begins = |name: &'static str, text: String| {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(unusable(name, &text));
        }
        Ok(text)
    };
    let root = super::mi::root(parameters, "metrics")?;
    if root.is_empty() {
        return Err("root is empty".to_owned());
    }
    let group_mode = match parameters.int("group_mode").unwrap_or(1) {
        0 => GroupMode::Hidden,
        1 => GroupMode::Named,
        2 => GroupMode::Labelled,
        other => return Err(format!("group_mode is 0, 1 or 2, not {other}")),
    };
    let group_label = begins("group_label", text("group_label", "group")?)?;
    if group_label.is_empty() {
        return Err("group_label is empty".to_owned());
    }
    let given = parameters.all_str("statistics").flat_map(str::split_whitespace);
    let mut statistics: Vec<_> = given.map(str::to_owned).collect();
    if statistics.is_empty() {
        statistics.push("all".to_owned());
    }
    Ok(Box::new(PrometheusSettings {
        root,
        prefix: begins("prefix", text("prefix", "duologue")?)?,
        group_prefix: text("group_prefix", "")?,
        delimiter: text("delimiter", "_")?,
        group_label,
        group_mode,
        statistics,
    }))
}

fn unusable(name: &str, text: &str) -> String {
    format!("{name}: {text} cannot stand in the name of a metric")
}

/// The page stands on the door of `httpd`.
fn start(host: &Host<'_>) -> Result<(), Refusal> {
    Ok(host.needs(super::mi::HTTPD.name)?)
}
