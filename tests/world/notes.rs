//! What a script tells its test: `note("text")`.

use std::cell::RefCell;

use duologue::server::module::Function;
use duologue_script::{Called, Param, ParamKind, RouteKinds};

thread_local! {
    /// What scripts noted. A test and its proxy share a thread.
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The function, for a test's own module.
pub(crate) const NOTE: Function =
    Function::new("note", &[Param::new(ParamKind::Str)], RouteKinds::all(), |_, args| {
        let text = String::from_utf8_lossy(args.str(0).unwrap_or_default()).into_owned();
        NOTES.with_borrow_mut(|notes| notes.push(text));
        Called::Value(1)
    });

/// What was noted since the last time.
pub(crate) fn notes() -> Vec<String> {
    NOTES.with_borrow_mut(std::mem::take)
}
