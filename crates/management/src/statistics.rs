//! Reading and resetting statistics (spec/script.md §14, §15.4).

use serde_json::{Map, Value};

use crate::{Answer, CommandError, Params, ServerInfo, Statistic, StatisticKind};

pub(crate) fn get(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    let wanted = params.texts("statistics")?;
    found(select(info, Some(&wanted), |statistic| Value::from(statistic.value)))
}

pub(crate) fn list(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    let kind = |statistic: &Statistic<'_>| Value::from(statistic.kind.as_str());
    if params.has("statistics") {
        let wanted = params.texts("statistics")?;
        return found(select(info, Some(&wanted), kind));
    }
    Ok(Value::Object(select(info, None, kind)).into())
}

pub(crate) fn reset(info: &dyn ServerInfo, params: &Params) -> Result<Answer, CommandError> {
    let wanted = params.texts("statistics")?;
    let mut known = false;
    let mut counters = Vec::new();
    info.statistics(&mut |statistic| {
        if wanted.iter().any(|item| is_named(&statistic, item)) {
            known = true;
            if statistic.kind == StatisticKind::Incremental {
                counters.push((statistic.group.to_owned(), statistic.name.to_owned()));
            }
        }
    });
    counters.iter().for_each(|(group, name)| info.reset_statistic(group, name));
    if known { Ok(Answer::ok()) } else { Err(not_found()) }
}

pub(crate) fn reset_all(info: &dyn ServerInfo, _: &Params) -> Result<Answer, CommandError> {
    let mut counters = Vec::new();
    info.statistics(&mut |statistic| {
        if statistic.kind == StatisticKind::Incremental {
            counters.push((statistic.group.to_owned(), statistic.name.to_owned()));
        }
    });
    counters.iter().for_each(|(group, name)| info.reset_statistic(group, name));
    Ok(Answer::ok())
}

/// The chosen statistics as `group:name`, in the server's order.
fn select(
    info: &dyn ServerInfo,
    wanted: Option<&[String]>,
    show: impl Fn(&Statistic<'_>) -> Value,
) -> Map<String, Value> {
    let mut chosen = Map::new();
    info.statistics(&mut |statistic| {
        if wanted.is_none_or(|items| items.iter().any(|item| is_chosen(&statistic, item))) {
            let name = format!("{}:{}", statistic.group, statistic.name);
            chosen.insert(name, show(&statistic));
        }
    });
    chosen
}

/// `all`, `group:`, or a name.
fn is_chosen(statistic: &Statistic<'_>, item: &str) -> bool {
    item == "all"
        || item.strip_suffix(':').is_some_and(|group| group.eq_ignore_ascii_case(statistic.group))
        || is_named(statistic, item)
}

/// The bare name, or the one that `statistics:get` shows.
fn is_named(statistic: &Statistic<'_>, item: &str) -> bool {
    let (group, name) = item.split_once(':').unwrap_or((statistic.group, item));
    group.eq_ignore_ascii_case(statistic.group) && name.eq_ignore_ascii_case(statistic.name)
}

fn found(chosen: Map<String, Value>) -> Result<Answer, CommandError> {
    if chosen.is_empty() { Err(not_found()) } else { Ok(Value::Object(chosen).into()) }
}

fn not_found() -> CommandError {
    CommandError::new(404, "Statistics Not Found")
}
