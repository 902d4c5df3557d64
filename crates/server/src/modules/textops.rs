//! `textops`: regular expressions edit the message as received (spec/modules.md §7).
//!
//! Patterns are POSIX extended, ignore case and see lines; `replace_body_atonce()` alone takes the
//! body as one text. What is found is what came in, whatever was changed before; the changes of
//! several calls come together when the message leaves.

use std::ops::Range;

use duologue_script::{Args, Called, Param, ParamKind, Pattern, RouteKinds, Substituting};
use duologue_sip::{Message, Span, Uri};

use crate::context::Context;
use crate::module::{Function, Module};
use crate::target::{URI_MAX, with_user};

const STR: Param = Param::new(ParamKind::Str);
const REGEX: Param = Param::new(ParamKind::Regex);
const WHOLE_REGEX: Param = Param::new(ParamKind::TextRegex);
const SUBSTITUTION: Param = Param::new(ParamKind::Substitution);

const ALL: RouteKinds = RouteKinds::REQUEST
    .union(RouteKinds::REPLY)
    .union(RouteKinds::FAILURE)
    .union(RouteKinds::BRANCH)
    .union(RouteKinds::LOCAL);

/// The declaration.
pub static MODULE: Module = Module {
    name: "textops",
    functions: &[
        Function::new("search", &[REGEX], ALL, search),
        Function::new("search_body", &[REGEX], ALL, search_body),
        Function::new("search_append", &[REGEX, STR], ALL, search_append),
        Function::new("search_append_body", &[REGEX, STR], ALL, search_append_body),
        Function::new("replace", &[REGEX, STR], ALL, replace),
        Function::new("replace_body", &[REGEX, STR], ALL, replace_body),
        Function::new("replace_all", &[REGEX, STR], ALL, replace_all),
        Function::new("replace_body_all", &[REGEX, STR], ALL, replace_body_all),
        Function::new("replace_body_atonce", &[WHOLE_REGEX, STR], ALL, replace_body_all),
        Function::new("subst", &[SUBSTITUTION], ALL, subst),
        Function::new("subst_uri", &[SUBSTITUTION], ALL, subst_uri),
        Function::new("subst_user", &[SUBSTITUTION], ALL, subst_user),
        Function::new("subst_body", &[SUBSTITUTION], ALL, subst_body),
    ],
    ..Module::EMPTY
};

/// Where something is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Message,
    Body,
}

impl Scope {
    /// The text, and where it begins in the message.
    fn of<'b>(self, message: &Message<'b>) -> (&'b [u8], usize) {
        let all = message.framed();
        match self {
            Self::Message => (all, 0),
            Self::Body => (message.body(), all.len() - message.body().len()),
        }
    }
}

/// How much of what is found is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    First,
    All,
}

fn search(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    found_in(ctx, args, Scope::Message)
}

fn search_body(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    found_in(ctx, args, Scope::Body)
}

fn search_append(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    append(ctx, args, Scope::Message)
}

fn search_append_body(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    append(ctx, args, Scope::Body)
}

fn replace(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    replace_in(ctx, args, Scope::Message, Amount::First)
}

fn replace_body(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    replace_in(ctx, args, Scope::Body, Amount::First)
}

fn replace_all(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    replace_in(ctx, args, Scope::Message, Amount::All)
}

fn replace_body_all(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    replace_in(ctx, args, Scope::Body, Amount::All)
}

fn subst(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    substitute_in(ctx, args, Scope::Message)
}

fn subst_body(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    substitute_in(ctx, args, Scope::Body)
}

/// On the Request-URI as it stands now.
fn subst_uri(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    substitute_in_uri(ctx, args, |substituting, uri| {
        let (made, count) = substituting.apply(uri, URI_MAX)?;
        Uri::parse(&made).is_ok().then_some((made, count))
    })
}

/// On its user; a URI without one has an empty one.
fn subst_user(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    substitute_in_uri(ctx, args, |substituting, uri| {
        let user = Uri::parse(uri).ok()?.user().unwrap_or_default();
        let (user, count) = substituting.apply(user, URI_MAX)?;
        Some((with_user(uri, &user)?, count))
    })
}

// --- How --------------------------------------------------------------------------------------

const fn yes_or_no(yes: bool) -> Called {
    Called::Value(if yes { 1 } else { -1 })
}

fn found_in(ctx: &Context<'_>, args: &Args<'_>, scope: Scope) -> Called {
    let (text, _) = scope.of(ctx.message);
    yes_or_no(args.regex(0).is_some_and(|pattern| pattern.is_match(text)))
}

/// Puts a text behind the first match.
fn append(ctx: &mut Context<'_>, args: &Args<'_>, scope: Scope) -> Called {
    let (Some(pattern), Some(new)) = (args.regex(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let (text, offset) = scope.of(ctx.message);
    let Some(found) = pattern.regex().find(text) else { return Called::Value(-1) };
    yes_or_no(change(ctx, offset, &[(found.end()..found.end(), new)]))
}

fn replace_in(ctx: &mut Context<'_>, args: &Args<'_>, scope: Scope, amount: Amount) -> Called {
    let (Some(pattern), Some(new)) = (args.regex(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let (text, offset) = scope.of(ctx.message);
    let changes: Vec<_> =
        matches(pattern, text, amount).take(ENOUGH).map(|place| (place, new)).collect();
    yes_or_no(!changes.is_empty() && change(ctx, offset, &changes))
}

/// One match more than can be replaced: looking for more is of no use.
const ENOUGH: usize = duologue_sip::EDITS_MAX + 1;

fn matches(pattern: &Pattern, text: &[u8], amount: Amount) -> impl Iterator<Item = Range<usize>> {
    let most = if amount == Amount::All { usize::MAX } else { 1 };
    pattern.regex().find_iter(text).take(most).map(|found| found.range())
}

fn substitute_in(ctx: &mut Context<'_>, args: &Args<'_>, scope: Scope) -> Called {
    let Some(substituting) = args.substitution(0) else { return Called::Value(-1) };
    let (text, offset) = scope.of(ctx.message);
    let (mut changes, mut octets) = (Vec::new(), 0);
    substituting.each(text, |place, new| {
        octets += new.len();
        changes.push((place, new.to_vec()));
        changes.len() < ENOUGH && octets <= duologue_sip::EDIT_OCTETS_MAX
    });
    let made = !changes.is_empty() && change(ctx, offset, &changes);
    Called::Value(if made { count(changes.len()) } else { -1 })
}

/// Makes changes to the message from `offset` on: all of them, or none if they are too many.
fn change<T: AsRef<[u8]>>(
    ctx: &mut Context<'_>,
    offset: usize,
    changes: &[(Range<usize>, T)],
) -> bool {
    let octets = changes.iter().map(|(_, new)| new.as_ref().len()).sum();
    if !ctx.edits().has_room(changes.len(), octets) {
        tracing::warn!(call_id = %ctx.turn.call_id(), "too much is replaced in one message");
        return false;
    }
    let message = ctx.message;
    let mut draft = ctx.edits().draft(message);
    for (place, new) in changes {
        draft.change(Span::new(offset + place.start, offset + place.end), &[new.as_ref()]);
    }
    true
}

/// Writes the Request-URI that `make` makes of the present one, and how many matches that took.
fn substitute_in_uri(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    make: impl FnOnce(&Substituting<'_>, &[u8]) -> Option<(Vec<u8>, usize)>,
) -> Called {
    let (Some(substituting), Some(uri)) = (args.substitution(0), ctx.request_uri()) else {
        return Called::Value(-1);
    };
    match make(&substituting, uri) {
        Some((made, matches)) if matches > 0 => {
            ctx.draft.target.uri = Some(made);
            Called::Value(count(matches))
        }
        _ => Called::Value(-1),
    }
}

fn count(matches: usize) -> i32 {
    i32::try_from(matches).unwrap_or(i32::MAX)
}
