//! SIP messages: lazy, zero-copy parsing, typed headers, URIs, edits and rendering.

mod flow;
mod time;

pub use flow::Flow;
pub use time::{Moment, Tick};
