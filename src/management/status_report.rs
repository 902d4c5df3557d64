//! The commands that tell how ready the program is: `status_report:…` (spec/script.md §15.4). One
//! part of it reports: the program itself, as `main` of the group `core`.

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Duplicate, Params, Registry};
use duologue_server::Server;
use duologue_server::readiness::{CORE, MAIN, Readiness};
use serde_json::{Value, json};

use super::info::local_time;

/// Adds the commands.
///
/// # Errors
/// One of their names is taken.
pub(super) fn register(registry: &mut Registry, server: &Arc<Server>) -> Result<(), Duplicate> {
    let command = |name, help, handler: fn(&Server, &Params) -> _| {
        let server = Arc::clone(server);
        Command::new(name, "core", move |params| handler(&server, params)).help(help).reads()
    };
    let lists: &[&[&str]] = &[&[], &["group"], &["group", "identifier"]];
    let commands = [
        command("status_report:get", "tells how ready a part of the program is", get)
            .alias("sr_get_status")
            .signatures(&[&["group"], &["group", "identifier"]]),
        command("status_report:status", "lists how ready all parts are", status)
            .alias("sr_list_status")
            .signatures(lists),
        command("status_report:reports", "lists what the parts report", reports)
            .alias("sr_list_reports")
            .signatures(lists),
        command("status_report:identifiers", "names the parts", identifiers)
            .alias("sr_list_identifiers")
            .signatures(&[&[], &["group"]]),
    ];
    commands.into_iter().try_for_each(|command| registry.add(command))
}

/// Fails for a part that does not report.
fn find(params: &Params) -> Result<(), CommandError> {
    let is = |name: &str, known: &str| -> Result<bool, CommandError> {
        let given = params.optional_text(name)?;
        Ok(given.is_none_or(|given| given == known))
    };
    match is("group", CORE)? {
        false => Err(CommandError::new(404, "Group not found")),
        true if !is("identifier", MAIN)? => Err(CommandError::new(404, "Identifier not found")),
        true => Ok(()),
    }
}

fn get(server: &Server, params: &Params) -> Result<Answer, CommandError> {
    params.text("group")?;
    find(params)?;
    let now = Readiness::of(server.node());
    Ok(json!({
        "Readiness": now.is_ready(), "Status": now.status(), "Details": now.details(),
    })
    .into())
}

fn status(server: &Server, params: &Params) -> Result<Answer, CommandError> {
    find(params)?;
    let now = Readiness::of(server.node());
    Ok(of_core(json!({
        "Name": MAIN,
        "Readiness": now.is_ready(), "Status": now.status(), "Details": now.details(),
    })))
}

fn reports(server: &Server, params: &Params) -> Result<Answer, CommandError> {
    find(params)?;
    let started = server.node().started.unix;
    let report = json!({
        "Timestamp": started, "Date": local_time(started), "Log": "the program has started",
    });
    Ok(of_core(json!({ "Name": MAIN, "Reports": [report] })))
}

fn identifiers(_: &Server, params: &Params) -> Result<Answer, CommandError> {
    find(params)?;
    Ok(of_core(json!(MAIN)))
}

fn of_core(identifier: Value) -> Answer {
    json!([{ "Group": CORE, "Identifiers": [identifier] }]).into()
}
