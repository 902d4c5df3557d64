//! The commands of the `cfgutils` module (spec/modules.md §25).

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Duplicate, Params, Registry, json_text};
use duologue_server::Server;
use duologue_server::modules::cfgutils::{CfgutilsSettings, ConfigHash, SharedValue};
use serde_json::{Value, json};

/// Adds the commands, if the script loads the module.
///
/// # Errors
/// One of their names is taken.
pub(super) fn register(registry: &mut Registry, server: &Arc<Server>) -> Result<(), Duplicate> {
    if !server.node().script().program.has_module("cfgutils") {
        return Ok(());
    }
    let command = |name, help, handler: fn(&CfgutilsSettings, &Params) -> _| {
        let server = Arc::clone(server);
        let run = move |params: &Params| handler(server.node().settings(), params);
        Command::new(name, "cfgutils", run).help(help)
    };
    let commands = [
        command("cfgutils:shv_get", "reads the shared variables, or one of them", shv_get)
            .alias("shv_get")
            .reads()
            .signatures(&[&[], &["name"]]),
        command("cfgutils:shv_set", "sets a shared variable; type is int or str", shv_set)
            .alias("shv_set")
            .signatures(&[&["name", "type", "value"]]),
        command("cfgutils:rand_set_prob", "sets the percentage of rand_event()", set_probability)
            .alias("rand_set_prob")
            .signatures(&[&["prob_proc"]]),
        command("cfgutils:rand_get_prob", "tells the percentage of rand_event()", probability)
            .alias("rand_get_prob")
            .reads(),
        command("cfgutils:rand_reset_prob", "brings initial_probability back", reset_probability)
            .alias("rand_reset_prob"),
        command("cfgutils:get_config_hash", "tells the digest of the hash_file", config_hash)
            .alias("get_config_hash")
            .reads(),
        command("cfgutils:check_config_hash", "compares the hash_file with its digest", check_hash)
            .alias("check_config_hash")
            .reads(),
    ];
    commands.into_iter().try_for_each(|command| registry.add(command))
}

fn shv_get(settings: &CfgutilsSettings, params: &Params) -> Result<Answer, CommandError> {
    let Some(name) = params.optional_text("name")? else {
        let all = settings.shared.all();
        let all: Value = all.iter().map(|(name, value)| variable(name, value)).collect();
        return Ok(json!({ "VARs": all }).into());
    };
    match settings.shared.get(name.as_bytes()) {
        Some(value) => Ok(json!({ "VAR": variable(name.as_bytes(), &value) }).into()),
        None => Err(CommandError::new(404, "Not found")),
    }
}

fn variable(name: &[u8], value: &SharedValue) -> Value {
    match value {
        SharedValue::Int(number) => {
            json!({ "name": json_text(name), "type": "integer", "value": number })
        }
        SharedValue::Str(text) => {
            json!({ "name": json_text(name), "type": "string", "value": json_text(text) })
        }
    }
}

fn shv_set(settings: &CfgutilsSettings, params: &Params) -> Result<Answer, CommandError> {
    let name = params.text("name")?;
    let value = match params.text("type")?.as_str() {
        "int" => {
            let number = i32::try_from(params.integer("value")?);
            SharedValue::Int(number.map_err(|_| CommandError::bad_type("value"))?)
        }
        "str" => SharedValue::Str(params.text("value")?.into_bytes().into()),
        _ => return Err(CommandError::bad_type("type")),
    };
    if settings.shared.set(name.as_bytes(), value) {
        Ok(Answer::ok())
    } else {
        Err(CommandError::new(500, "Cannot set shared variable"))
    }
}

fn set_probability(settings: &CfgutilsSettings, params: &Params) -> Result<Answer, CommandError> {
    let percent = i32::try_from(params.integer("prob_proc")?).unwrap_or(-1);
    if settings.probability.set(percent) {
        Ok(Answer::ok())
    } else {
        Err(CommandError::invalid_params("a probability is 0 to 100"))
    }
}

fn probability(settings: &CfgutilsSettings, _: &Params) -> Result<Answer, CommandError> {
    Ok(json!({ "Probability": settings.probability.get() }).into())
}

fn reset_probability(settings: &CfgutilsSettings, _: &Params) -> Result<Answer, CommandError> {
    settings.probability.reset();
    Ok(Answer::ok())
}

fn config_hash(settings: &CfgutilsSettings, _: &Params) -> Result<Answer, CommandError> {
    Ok(json!({ "Hash": hash(settings)?.at_start() }).into())
}

fn check_hash(settings: &CfgutilsSettings, _: &Params) -> Result<Answer, CommandError> {
    let hash = hash(settings)?;
    let now = hash.now().map_err(|why| CommandError::new(500, "Cannot hash").with_data(why))?;
    if now == hash.at_start() {
        Ok(Answer::ok())
    } else {
        Err(CommandError::new(400, "The file has changed since the start"))
    }
}

fn hash(settings: &CfgutilsSettings) -> Result<&ConfigHash, CommandError> {
    settings.config_hash.as_ref().ok_or_else(|| CommandError::new(404, "No hash_file is set"))
}
