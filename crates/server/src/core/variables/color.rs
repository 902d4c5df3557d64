//! `$C(fb)`: the escape sequence of a terminal for a foreground and a background (spec/script.md §8).

use duologue_script::{Reading, Text, VarAccess};

use crate::context::Context;

/// The colours in the order of their numbers (ECMA-48, SGR): black, red, green, yellow, blue,
/// purple, cyan, white.
const COLORS: &[u8; 8] = b"srgybpcw";
/// The terminal's own colour.
const PLAIN: u8 = 9;

/// The sequence; nothing unless `xlog_force_color` is set.
pub(super) fn escape(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some((bold, fore, back)) = var.name.and_then(colors) else { return Reading::Null };
    if ctx.turn.node.colors {
        out.push(if bold { b"\x1b[1;3" } else { b"\x1b[0;3" });
        out.push_int(fore.into());
        out.push(b";4");
        out.push_int(back.into());
        out.push_byte(b'm');
    }
    Reading::Str
}

/// Checks the letters when the script loads.
pub(super) fn resolve(name: &str) -> Result<Option<u32>, String> {
    match colors(name.as_bytes()) {
        Some(_) => Ok(None),
        None => Err(format!(
            "\"{name}\" is not two of the letters x s r g y b p c w, the first large for bold"
        )),
    }
}

/// Whether the foreground is bold, its number, and that of the background.
fn colors(letters: &[u8]) -> Option<(bool, u8, u8)> {
    let &[fore, back] = letters else { return None };
    let number = |letter: u8| match letter {
        b'x' => Some(PLAIN),
        letter => (0u8..).zip(COLORS).find(|(_, known)| **known == letter).map(|(at, _)| at),
    };
    Some((fore.is_ascii_uppercase(), number(fore.to_ascii_lowercase())?, number(back)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_colors() {
        assert_eq!(colors(b"rx"), Some((false, 1, 9)));
        assert_eq!(colors(b"Gs"), Some((true, 2, 0)));
        for bad in [&b"r"[..], b"rgb", b"rG", b"qx"] {
            assert_eq!(colors(bad), None);
        }
        assert!(resolve("xx").is_ok() && resolve("zz").is_err());
    }
}
