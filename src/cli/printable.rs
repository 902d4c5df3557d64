//! Text of strangers, on a terminal.

use std::borrow::Cow;

/// The text without what terminals obey: whoever chooses a Call-ID must not move the cursor of who
/// reads it, nor turn its direction. Line ends and tabs stay.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    text.chars()
        .map(|character| if is_obeyed(character) { '\u{fffd}' } else { character })
        .collect()
}

/// The same on one line.
pub(super) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// Whether it does something to a terminal, or to the order of what stands around it.
pub(super) fn is_obeyed(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (character.is_control() && !matches!(character, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_obey_is_taken_out() {
        assert_eq!(printable("a@b"), "a@b");
        assert_eq!(printable("Zoë\n"), "Zoë\n");
        assert_eq!(
            printable("\u{1b}[2J\u{9b}m\u{202e}x\r\u{7f}"),
            "\u{fffd}[2J\u{fffd}m\u{fffd}x\u{fffd}\u{fffd}"
        );
        assert_eq!(one_line("a\n\tb"), "a  b");
    }
}
