//! Bodies and their parts.

use duologue_script::{Args, Called, Value};
use duologue_sip::{AddedPart, is_media_type, render_body};

use super::headers::lines;
use super::yes_or_no;
use crate::context::Context;

/// How many bytes of headers a script may give a part.
const PART_HEADERS_MAX: usize = 1024;

/// Any body, or a part of a type.
pub(super) fn has_body_part(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let wanted = wanted(args);
    let parts = ctx.message.parts();
    yes_or_no(match wanted {
        None => !parts.is_empty(),
        Some(wanted) => parts.iter().any(|part| part.is_type(wanted)),
    })
}

/// All parts, those of a type, or with `revert` all others.
pub(super) fn remove_body_part(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let reverted = match args.str(1) {
        None | Some(b"") => false,
        Some(b"revert") => true,
        Some(_) => return Called::Value(-1),
    };
    let (message, wanted) = (ctx.message, wanted(args));
    let removed = ctx.edits_of_parts().draft(message).remove_parts(|content_type| {
        wanted.is_none_or(|wanted| is_media_type(content_type, wanted) != reverted)
    });
    yes_or_no(removed > 0)
}

pub(super) fn check_revert(index: usize, text: &str) -> Result<(), String> {
    match index {
        1 if !matches!(text, "" | "revert") && !text.contains('$') => {
            Err(format!("the second one is \"revert\" or nothing, not \"{text}\""))
        }
        _ => Ok(()),
    }
}

pub(super) fn add_body_part(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(body), Some(content_type)) = (args.str(0), wanted_at(args, 1)) else {
        return Called::Value(-1);
    };
    let headers = match args.str(2).map(<[u8]>::trim_ascii).filter(|text| !text.is_empty()) {
        None => Vec::new(),
        Some(text) => match lines(text) {
            Some((text, ending)) if text.len() <= PART_HEADERS_MAX => [text, ending].concat(),
            _ => return Called::Value(-1),
        },
    };
    let (content_type, body) = (content_type.to_vec(), body.to_vec());
    if !is_type_text(&content_type) {
        return Called::Value(-1);
    }
    let message = ctx.message;
    let part = AddedPart { content_type, headers, body };
    yes_or_no(ctx.edits_of_parts().draft(message).add_part(part))
}

pub(super) fn check_part(index: usize, text: &str) -> Result<(), String> {
    match index {
        1 if !text.contains('$') && !is_type_text(text.trim().as_bytes()) => {
            Err(format!("\"{text}\" is no type like application/sdp"))
        }
        2 if !text.trim().is_empty() && lines(text.as_bytes()).is_none() => {
            Err("a blank line would end the headers".to_owned())
        }
        _ => Ok(()),
    }
}

/// The text of a part with the changes so far, or of the whole body.
pub(super) fn get_updated_body_part(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let message = ctx.message;
    let text = match wanted(args) {
        Some(wanted) => message.updated_body_of_type(&ctx.layers(), wanted),
        None => {
            let mut text = Vec::new();
            render_body(message, &ctx.layers(), &mut text);
            Some(text).filter(|text| !text.is_empty())
        }
    };
    let Some(text) = text else { return Called::Value(-1) };
    yes_or_no(args.store(ctx, 1, Value::Str(&text)).is_ok())
}

/// The type that is asked for.
fn wanted<'a>(args: &Args<'a>) -> Option<&'a [u8]> {
    wanted_at(args, 0)
}

fn wanted_at<'a>(args: &Args<'a>, index: usize) -> Option<&'a [u8]> {
    args.str(index).map(<[u8]>::trim_ascii).filter(|wanted| !wanted.is_empty())
}

/// Type and subtype, perhaps with parameters, in one line (RFC 3261 §25.1).
fn is_type_text(text: &[u8]) -> bool {
    let end = memchr::memchr(b';', text).unwrap_or(text.len());
    let mut words = text[..end].trim_ascii().split(|&byte| byte == b'/');
    let is_word = |word: Option<&[u8]>| {
        word.is_some_and(|word| !word.is_empty() && word.iter().all(u8::is_ascii_graphic))
    };
    is_word(words.next())
        && is_word(words.next())
        && words.next().is_none()
        && !text.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §6, `add_body_part`, `remove_body_part`.
    #[test]
    fn literal_arguments_are_checked() {
        for good in ["application/sdp", " text/plain;charset=utf-8 ", "$var(type)"] {
            assert!(check_part(1, good).is_ok(), "{good}");
        }
        for bad in ["", "text", "text/", "text/a/b", "text/plain;x\r\nVia: y", "te xt/plain"] {
            assert!(check_part(1, bad).is_err(), "{bad}");
        }
        assert!(check_part(2, "Content-Disposition: session").is_ok());
        assert!(check_part(2, "A: 1\r\n\r\nB: 2").is_err());
        assert!(check_revert(1, "revert").is_ok());
        assert!(check_revert(1, "revers").is_err());
    }
}
