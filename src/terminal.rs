//! What a terminal takes, and others do not.

use std::io::IsTerminal;

/// Whether colours help whoever reads this stream: it is a terminal, and `NO_COLOR` does not forbid
/// them (<https://no-color.org>).
pub(crate) fn takes_colors(stream: &impl IsTerminal) -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !forbidden
}
