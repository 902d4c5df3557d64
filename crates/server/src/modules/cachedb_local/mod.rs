//! `cachedb_local`: key-value stores in the memory of this process (spec/modules.md §26).
//!
//! Scripts reach a collection by the core's `cache_…` functions, under the names that the
//! `cachedb_url` parameters give; [`CachedbLocalSettings`] has all collections by their own names.

mod collection;
mod urls;

use std::sync::Arc;
use std::time::Duration;

use duologue_script::{Args, Called, Param, ParamKind, RouteKinds};

use crate::context::Context;
use crate::module::{Function, Module, Parameter, Parameters, Settings};

pub use collection::{COLLECTION_BYTES_MAX, Collection, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use urls::Name;

/// The engine's name in scripts.
const ENGINE: &str = "local";
/// The collection that is always there.
pub const DEFAULT_COLLECTION: &str = "default";
/// Without a size, a collection has 2^9 parts.
const EXPONENT_DEFAULT: u32 = 9;
/// A collection has at most 2^16 parts.
const EXPONENT_MAX: u32 = 16;
/// How many collections there may be.
const COLLECTIONS_MAX: usize = 256;

/// The declaration.
pub static MODULE: Module = Module {
    name: "cachedb_local",
    functions: &[Function::new(
        "cache_remove_chunk",
        &[Param::optional(ParamKind::Str), Param::optional(ParamKind::Str)],
        RouteKinds::all(),
        remove_chunk,
    )],
    parameters: &[
        Parameter::str("cachedb_url"),
        Parameter::str("cache_collections"),
        Parameter::int("cache_clean_period"),
        // A look into memory is never slow: accepted, there is nothing to warn of.
        Parameter::int("exec_threshold"),
        Parameter::planned("cluster_id"),
        Parameter::planned("cluster_persistency"),
        Parameter::planned("enable_restart_persistency"),
    ],
    configure,
    start: |host| {
        let settings: &CachedbLocalSettings = host.settings();
        for Name { group, collection } in &settings.names {
            let collection = settings.collection(collection).expect("names were checked at load");
            host.add_cache(ENGINE, group.clone(), Arc::clone(collection) as _);
        }
        Ok(())
    },
    ..Module::EMPTY
};

/// The collections, and by which names scripts reach them.
#[derive(Debug)]
pub struct CachedbLocalSettings {
    collections: Vec<(String, Arc<Collection>)>,
    names: Vec<Name>,
}

impl CachedbLocalSettings {
    /// The collection of this name.
    pub fn collection(&self, name: &str) -> Option<&Arc<Collection>> {
        self.collections.iter().find(|(known, _)| known == name).map(|(_, collection)| collection)
    }
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let period = parameters.at_least("cache_clean_period", 600, 1)?;
    let period = Duration::from_secs(period.into());
    parameters.at_least("exec_threshold", 0, 0)?;
    let mut sizes = urls::collections(parameters.str("cache_collections").unwrap_or_default())?;
    if !sizes.iter().any(|(name, _)| name == DEFAULT_COLLECTION) {
        sizes.push((DEFAULT_COLLECTION.to_owned(), EXPONENT_DEFAULT));
    }
    let collections: Vec<_> = sizes
        .into_iter()
        .map(|(name, exponent)| (name, Arc::new(Collection::new(exponent, period))))
        .collect();
    let mut names: Vec<Name> =
        parameters.all_str("cachedb_url").map(urls::name).collect::<Result<_, _>>()?;
    if names.is_empty() {
        names.push(Name { group: None, collection: DEFAULT_COLLECTION.to_owned() });
    }
    let unknown = |name: &&Name| !collections.iter().any(|(known, _)| *known == name.collection);
    if let Some(name) = names.iter().find(unknown) {
        return Err(format!("cachedb_url: there is no collection {}", name.collection));
    }
    Ok(Box::new(CachedbLocalSettings { collections, names }))
}

/// `cache_remove_chunk([collection,] pattern)`: with one argument it is the pattern.
fn remove_chunk(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (collection, pattern) = match (args.str(0), args.str(1)) {
        (collection, Some(pattern)) => (collection, pattern),
        (Some(pattern), None) => (None, pattern),
        (None, None) => return Called::Value(-1),
    };
    let name = collection.unwrap_or(DEFAULT_COLLECTION.as_bytes());
    let settings: &CachedbLocalSettings = ctx.turn.node.settings();
    let found = std::str::from_utf8(name).ok().and_then(|name| settings.collection(name));
    let Some(collection) = found else { return Called::Value(-1) };
    collection.remove_matching(ctx.turn.now, pattern);
    Called::Value(1)
}
