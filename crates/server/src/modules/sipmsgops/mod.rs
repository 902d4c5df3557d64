//! `sipmsgops`: looking at messages and changing their headers (spec/modules.md §6).
//!
//! Changes are recorded and take effect when the message leaves: the script goes on seeing the
//! headers as received.

use duologue_script::{Args, Called, Param, ParamKind, RouteKinds};
use duologue_sip::{HeaderName, HeaderRef, Method, Params, Uri};
use jiff::Timestamp;

use crate::context::Context;
use crate::module::{Function, Module, Parameters, Settings};
use crate::target::URI_MAX;

const STR: Param = Param::new(ParamKind::Str);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);

const QFB: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::FAILURE).union(RouteKinds::BRANCH);
const QFL: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::FAILURE).union(RouteKinds::LOCAL);
const QFBE: RouteKinds = QFB.union(RouteKinds::ERROR);
const ALL: RouteKinds = QFB.union(RouteKinds::REPLY).union(RouteKinds::LOCAL);

/// How many bytes of headers a script may add to local replies of one request.
pub const REPLY_HEADERS_MAX: usize = 8192;

/// The declaration.
pub static MODULE: Module = Module {
    name: "sipmsgops",
    functions: &[
        Function::new("append_hf", &[STR, OPTIONAL_STR], ALL, append_hf).checked(check_header),
        Function::new("insert_hf", &[STR, OPTIONAL_STR], ALL, insert_hf).checked(check_header),
        Function::new("append_urihf", &[STR, STR], QFB, append_urihf),
        Function::new("append_to_reply", &[STR], QFBE, append_to_reply).checked(check_header),
        Function::new("remove_hf", &[STR], ALL, remove_hf),
        Function::new("is_present_hf", &[STR], ALL, is_present_hf),
        Function::new("is_method", &[STR], ALL, is_method).checked(check_method),
        Function::new("has_totag", &[], ALL, has_totag),
        Function::new("has_body", &[OPTIONAL_STR], ALL, has_body),
        Function::new("is_privacy", &[STR], ALL, is_privacy),
        Function::new("is_uri_user_e164", &[STR], QFL, is_uri_user_e164),
        Function::new("list_hdr_has_option", &[STR, STR], ALL, list_hdr_has_option),
        Function::new("list_hdr_add_option", &[STR, STR], ALL, list_hdr_add_option),
        Function::new("list_hdr_remove_option", &[STR, STR], ALL, list_hdr_remove_option),
        Function::new("append_time", &[], QFB.union(RouteKinds::LOCAL), append_time),
        Function::new("ruri_add_param", &[STR], ALL, ruri_add_param),
        Function::new("ruri_del_param", &[STR], ALL, ruri_del_param),
        Function::new("ruri_has_param", &[STR, OPTIONAL_STR], ALL, ruri_has_param),
    ],
    configure,
    ..Module::EMPTY
};

fn configure(_: &Parameters<'_>) -> Result<Settings, String> {
    Ok(Box::new(()))
}

const fn yes_or_no(yes: bool) -> Called {
    Called::Value(if yes { 1 } else { -1 })
}

// --- Changing headers -------------------------------------------------------------------------

/// After the last header, or after the first one of the anchor's name.
fn append_hf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some((text, ending)) = args.str(0).and_then(lines) else { return Called::Value(-1) };
    let message = ctx.message;
    let anchor = args.str(1).and_then(|name| message.header(header_name(name)));
    let mut draft = ctx.edits().draft(message);
    match anchor {
        Some(header) => draft.insert_lines_after(&header, &[text, ending]),
        None => draft.append_lines(&[text, ending]),
    }
    Called::Value(1)
}

/// Before the first header, or before the first one of the anchor's name.
fn insert_hf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some((text, ending)) = args.str(0).and_then(lines) else { return Called::Value(-1) };
    let message = ctx.message;
    let anchor = args.str(1).and_then(|name| message.header(header_name(name)));
    let mut draft = ctx.edits().draft(message);
    match anchor {
        Some(header) => draft.insert_lines_before(&header, &[text, ending]),
        None => draft.prepend_lines(&[text, ending]),
    }
    Called::Value(1)
}

/// Prefix, Request-URI as received, suffix.
fn append_urihf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(prefix), Some(suffix)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let message = ctx.message;
    let line = [prefix, message.uri_bytes(), suffix].concat();
    let Some((text, ending)) = lines(&line) else { return Called::Value(-1) };
    ctx.edits().draft(message).append_lines(&[text, ending]);
    Called::Value(1)
}

fn append_to_reply(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    yes_or_no(args.str(0).is_some_and(|text| add_to_reply(ctx, text)))
}

/// `Date:` in local replies (RFC 3261 §20.17).
fn append_time(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let line = date_line(ctx.turn.now.unix);
    yes_or_no(line.is_some_and(|line| add_to_reply(ctx, line.as_bytes())))
}

fn add_to_reply(ctx: &mut Context<'_>, text: &[u8]) -> bool {
    let headers = &mut ctx.draft.reply_headers;
    match lines(text) {
        Some((text, ending)) if headers.len() + text.len() + ending.len() <= REPLY_HEADERS_MAX => {
            headers.extend_from_slice(text);
            headers.extend_from_slice(ending);
            true
        }
        _ => false,
    }
}

fn remove_hf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(name) = args.str(0) else { return Called::Value(-1) };
    let message = ctx.message;
    yes_or_no(ctx.edits().draft(message).remove_all(header_name(name)) > 0)
}

/// Adds an option to a list like Supported, unless it is there; makes the header if it is not.
fn list_hdr_add_option(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(option)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let (message, name) = (ctx.message, header_name(name));
    if message.values(name).any(|value| value.bytes.eq_ignore_ascii_case(option)) {
        return Called::Value(1);
    }
    let edits = ctx.edits();
    match message.values(name).last().and_then(|value| message.span_of(value.bytes)) {
        Some(last) => edits.insert(last.range().end, &[b", ", option]),
        None => edits.draft(message).append_header(name, &[option]),
    }
    Called::Value(1)
}

fn list_hdr_remove_option(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(option)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let message = ctx.message;
    let mut options = message.values(header_name(name));
    let found = options.find(|value| value.bytes.eq_ignore_ascii_case(option));
    if let Some(value) = &found {
        ctx.edits().draft(message).remove_this(value);
    }
    yes_or_no(found.is_some())
}

fn ruri_add_param(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_uri(ctx, args, |uri, param| {
        let param = [b";", param.strip_prefix(b";").unwrap_or(param)].concat();
        uri.rewrite().add_params(&param).to_vec()
    })
}

fn ruri_del_param(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    edit_uri(ctx, args, |uri, name| uri.rewrite().without_param(name).to_vec())
}

/// Replaces the Request-URI by what `make` makes of it and the argument, if that is a URI.
fn edit_uri(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    make: impl FnOnce(&Uri<'_>, &[u8]) -> Vec<u8>,
) -> Called {
    let uri = ctx.request_uri().and_then(|uri| Uri::parse(uri).ok());
    let (Some(uri), Some(argument)) = (uri, args.str(0).filter(|text| !text.is_empty())) else {
        return Called::Value(-1);
    };
    let made = make(&uri, argument);
    let valid = made.len() <= URI_MAX && Uri::parse(&made).is_ok();
    if valid {
        ctx.draft.target.uri = Some(made);
    }
    yes_or_no(valid)
}

// --- Looking ----------------------------------------------------------------------------------

fn is_present_hf(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    yes_or_no(args.str(0).is_some_and(|name| ctx.message.has(header_name(name))))
}

fn is_method(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let method = match ctx.message.method() {
        Some(method) => Some(method),
        // A reply is as the request that it answers.
        None => ctx.message.cseq().ok().map(|cseq| cseq.method),
    };
    let listed = method.zip(args.str(0)).is_some_and(|(method, list)| lists(list, method));
    yes_or_no(listed)
}

fn check_method(_: usize, text: &str) -> Result<(), String> {
    let mut names = text.split('|').map(str::trim);
    if !text.contains('|') {
        return match Method::parse(text.trim().as_bytes()) {
            Some(_) => Ok(()),
            None => Err(format!("\"{text}\" is no method")),
        };
    }
    let known =
        |name: &&str| !matches!(Method::parse(name.as_bytes()), None | Some(Method::Other(_)));
    match names.find(|name| !known(name)) {
        Some(name) => Err(format!("\"{name}\" is no method that can stand in a list")),
        None => Ok(()),
    }
}

fn has_totag(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    yes_or_no(ctx.message.to().is_ok_and(|to| to.tag().is_some()))
}

fn has_body(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let message = ctx.message;
    let wanted = args.str(0).filter(|wanted| !wanted.is_empty());
    let fits = wanted.is_none_or(|wanted| is_type(message.content_type(), wanted));
    yes_or_no(!message.body().is_empty() && fits)
}

fn is_privacy(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let wanted = args.str(0).unwrap_or_default().trim_ascii();
    // RFC 3323 §4.2: the values are joined by semicolons.
    let mut listed = ctx.message.all(HeaderName::Privacy).flat_map(|header| {
        header.value().split(|&byte| byte == b';' || byte == b',').map(<[u8]>::trim_ascii)
    });
    yes_or_no(listed.any(|value| value.eq_ignore_ascii_case(wanted)))
}

fn is_uri_user_e164(_: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let uri = args.str(0).and_then(|uri| Uri::parse(uri).ok());
    yes_or_no(uri.and_then(|uri| uri.user()).is_some_and(is_e164))
}

fn list_hdr_has_option(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(option)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let mut options = ctx.message.values(header_name(name));
    yes_or_no(options.any(|value| value.bytes.eq_ignore_ascii_case(option)))
}

fn ruri_has_param(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let uri = ctx.request_uri().and_then(|uri| Uri::parse(uri).ok());
    let (Some(uri), Some(name)) = (uri, args.str(0)) else { return Called::Value(-1) };
    yes_or_no(has_param(uri.params(), name, args.str(1)))
}

// --- Texts ------------------------------------------------------------------------------------

fn header_name(name: &[u8]) -> HeaderRef<'_> {
    HeaderRef::from(name.trim_ascii())
}

/// Header lines as a script wrote them, and the line break that they lack. None if they are empty
/// or would end the headers: a blank line in the middle of a message makes the rest its body.
fn lines(text: &[u8]) -> Option<(&[u8], &'static [u8])> {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map(|last| last + 1)?;
    let text = &text[..end];
    let mut inner = text.split(|&byte| byte == b'\n');
    let blank = inner.any(|line| line.is_empty() || line == b"\r");
    (!blank).then_some((text, b"\r\n"))
}

fn check_header(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if lines(text.as_bytes()).is_none() => {
            Err("a blank line would end the headers".to_owned())
        }
        _ => Ok(()),
    }
}

/// Whether `list`, a method or several with bars between, names `method`.
fn lists(list: &[u8], method: Method<'_>) -> bool {
    list.split(|&byte| byte == b'|').any(|name| name.trim_ascii() == method.as_bytes())
}

fn date_line(unix: u64) -> Option<String> {
    let now = Timestamp::from_second(i64::try_from(unix).ok()?).ok()?;
    Some(now.strftime("Date: %a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// Whether a Content-Type is the one that is wanted, whatever its parameters.
fn is_type(content_type: Option<&[u8]>, wanted: &[u8]) -> bool {
    let Some(content_type) = content_type else { return false };
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    content_type[..end].trim_ascii().eq_ignore_ascii_case(wanted.trim_ascii())
}

/// A plus sign and 2 to 15 digits.
fn is_e164(user: &[u8]) -> bool {
    user.strip_prefix(b"+").is_some_and(|digits| {
        (2..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
    })
}

fn has_param(params: Params<'_>, name: &[u8], value: Option<&[u8]>) -> bool {
    match (params.param(name), value) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(param), Some(value)) => param.value.unwrap_or_default() == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §6: one name, or a list of known ones.
    #[test]
    fn methods_are_named_alone_or_in_a_list() {
        let invite = Method::Invite;
        assert!(lists(b"INVITE", invite));
        assert!(lists(b"BYE|INVITE|ACK", invite));
        assert!(lists(b"BYE | INVITE", invite));
        assert!(!lists(b"BYE|ACK", invite));
        assert!(lists(b"FOO", Method::Other(b"FOO")));
        assert!(!lists(b"", invite));

        for good in ["INVITE", "FOO", "INVITE|ACK|BYE"] {
            assert!(check_method(0, good).is_ok(), "{good}");
        }
        for bad in ["", "INVITE|", "INVITE|FOO", "A B"] {
            assert!(check_method(0, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn header_lines_get_their_line_break_and_no_blank_line() {
        let text =
            |text: &'static str| lines(text.as_bytes()).map(|(text, end)| [text, end].concat());
        for given in ["P-Hint: a", "P-Hint: a\r\n", "P-Hint: a\n", "P-Hint: a\r\n\r\n"] {
            assert_eq!(text(given).as_deref(), Some(&b"P-Hint: a\r\n"[..]), "{given:?}");
        }
        assert_eq!(text("A: 1\r\nB: 2\r\n").as_deref(), Some(&b"A: 1\r\nB: 2\r\n"[..]));
        for blank in ["", "\r\n", "A: 1\r\n\r\nB: 2\r\n", "A: 1\n\nB: 2"] {
            assert_eq!(text(blank), None, "{blank:?}");
        }
    }

    /// RFC 3261 §20.17.
    #[test]
    fn dates_are_in_gmt() {
        let line = date_line(1_289_689_740);
        assert_eq!(line.as_deref(), Some("Date: Sat, 13 Nov 2010 23:09:00 GMT"));
    }

    #[test]
    fn types_numbers_and_parameters() {
        assert!(is_type(Some(b"application/SDP; charset=x"), b"application/sdp"));
        assert!(!is_type(Some(b"text/plain"), b"application/sdp"));
        assert!(!is_type(None, b"application/sdp"));
        assert!(is_e164(b"+4312"));
        for bad in [&b"4312"[..], b"+1", b"+1234567890123456", b"+12a"] {
            assert!(!is_e164(bad));
        }
        let params = Params::of_uri(b";lr;x=y");
        assert!(has_param(params, b"lr", None));
        assert!(has_param(params, b"X", Some(b"y")));
        assert!(!has_param(params, b"x", Some(b"z")));
        assert!(!has_param(params, b"q", None));
    }
}
