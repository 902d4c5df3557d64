//! The commands of the key-value stores (spec/script.md §15.4, spec/modules.md §26).

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Duplicate, Params, Registry, json_text};
use duologue_server::Server;
use duologue_server::cachedb::CacheDb;
use duologue_server::modules::cachedb_local::{
    CachedbLocalSettings, Collection, DEFAULT_COLLECTION,
};
use serde_json::{Map, Value, json};

/// Adds the commands of the core, and those of `cachedb_local` if the script loads it.
///
/// # Errors
/// One of their names is taken.
pub(super) fn register(registry: &mut Registry, server: &Arc<Server>) -> Result<(), Duplicate> {
    let command = |name, module, help, handler: fn(&Arc<Server>, &Params) -> _| {
        let server = Arc::clone(server);
        Command::new(name, module, move |params| handler(&server, params)).help(help)
    };
    registry.add(
        command("cache:store", "core", "keeps a value in a store", store)
            .alias("cache_store")
            .secrets(&["value"])
            .signatures(&[&["system", "attr", "value"], &["system", "attr", "value", "expire"]]),
    )?;
    registry.add(
        command("cache:fetch", "core", "reads a value of a store", fetch)
            .alias("cache_fetch")
            .reads()
            .signatures(&[&["system", "attr"]]),
    )?;
    registry.add(
        command("cache:remove", "core", "forgets a value of a store", remove)
            .alias("cache_remove")
            .signatures(&[&["system", "attr"]]),
    )?;
    if !server.node().script().program.has_module("cachedb_local") {
        return Ok(());
    }
    let chunk: &[&[&str]] = &[&["glob"], &["glob", "collection"]];
    registry.add(
        command(
            "cachedb_local:remove_chunk",
            "cachedb_local",
            "forgets all keys that fit a pattern",
            remove_chunk,
        )
        .alias("cache_remove_chunk")
        .signatures(chunk),
    )?;
    registry.add(
        command(
            "cachedb_local:fetch_chunk",
            "cachedb_local",
            "reads all keys that fit a pattern",
            fetch_chunk,
        )
        .alias("cache_fetch_chunk")
        .reads()
        .signatures(chunk),
    )
}

fn store(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (system, key) = names(params)?;
    let value = params.text("value")?;
    if value.is_empty() {
        return Err(CommandError::invalid_params("Empty value"));
    }
    let expire = params.optional_integer("expire")?.unwrap_or_default();
    if expire < 0 {
        return Err(CommandError::invalid_params("Negative expire value"));
    }
    let seconds = u32::try_from(expire).unwrap_or(u32::MAX);
    let lifetime = (seconds > 0).then_some(seconds);
    let kept = find(server, &system)
        .map(|store| store.store(server.now(), key.as_bytes(), value.as_bytes(), lifetime));
    done(kept, "Cache store command failed")
}

fn fetch(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (system, key) = names(params)?;
    match find(server, &system).map(|store| store.fetch(server.now(), key.as_bytes())) {
        Some(Ok(Some(value))) => Ok(json!({ "key": key, "value": json_text(&value) }).into()),
        Some(Ok(None)) => Err(CommandError::new(400, "Value not found")),
        Some(Err(error)) => {
            Err(CommandError::new(500, "Cache fetch command failed").with_data(error.to_string()))
        }
        None => Err(CommandError::new(500, "Cache fetch command failed")),
    }
}

fn remove(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (system, key) = names(params)?;
    let removed = find(server, &system).map(|store| store.remove(server.now(), key.as_bytes()));
    done(removed, "Cache remove command failed")
}

/// The store and the key, neither of them empty.
fn names(params: &Params) -> Result<(String, String), CommandError> {
    let (system, key) = (params.text("system")?, params.text("attr")?);
    if system.is_empty() {
        return Err(CommandError::invalid_params("Empty memory cache id"));
    }
    if key.is_empty() {
        return Err(CommandError::invalid_params("Empty attribute name"));
    }
    Ok((system, key))
}

fn find<'s>(server: &'s Server, system: &str) -> Option<&'s Arc<dyn CacheDb>> {
    server.node().caches.find(system.as_bytes())
}

fn done<E: ToString>(
    outcome: Option<Result<(), E>>,
    failure: &'static str,
) -> Result<Answer, CommandError> {
    match outcome {
        Some(Ok(())) => Ok(Answer::ok()),
        Some(Err(error)) => Err(CommandError::new(500, failure).with_data(error.to_string())),
        None => Err(CommandError::new(500, failure)),
    }
}

fn remove_chunk(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (collection, pattern) = chunk(server, params)?;
    collection.remove_matching(server.now(), pattern.as_bytes());
    Ok(Answer::ok())
}

fn fetch_chunk(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let (collection, pattern) = chunk(server, params)?;
    let now = server.now();
    // Part by part, so that no call waits for a listing.
    let found = (0..collection.parts())
        .flat_map(move |part| collection.matching(part, now, pattern.as_bytes()))
        .map(|(key, value)| -> Value {
            json!({ "key": { "name": json_text(&key), "value": json_text(&value) } })
        });
    Ok(Answer::listing(Map::new(), "keys", found))
}

fn chunk(server: &Server, params: &Params) -> Result<(Arc<Collection>, String), CommandError> {
    let pattern = params.text("glob")?;
    let name = params.optional_text("collection")?;
    let settings: &CachedbLocalSettings = server.node().settings();
    let collection = settings.collection(name.as_deref().unwrap_or(DEFAULT_COLLECTION));
    let collection = collection.ok_or_else(|| CommandError::new(404, "Collection not found"))?;
    Ok((Arc::clone(collection), pattern))
}
