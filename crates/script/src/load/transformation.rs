//! Transformations as they are written: `{class.op,argument,…}` (spec §9).

use super::{Loader, Parsed};
use crate::catalog::Standing;
use crate::diagnostic::did_you_mean;
use crate::lexer::variable_len;
use crate::machine::cells::parse_int;
use crate::program::{TRANSFORM_ARGS_MAX, TransArg, TransOp, TransSpec};
use crate::source::Span;
use crate::transform::{BuiltIn, Substitution};

impl Loader<'_> {
    /// What stands between the braces.
    pub(super) fn transformation(
        &mut self,
        text: &[u8],
        span: Span,
        depth: usize,
    ) -> Parsed<TransSpec> {
        let name_len = text.iter().position(|&b| b == b',').unwrap_or(text.len());
        let full = String::from_utf8_lossy(&text[..name_len]).trim().to_ascii_lowercase();
        let rest = text.get(name_len + 1..);
        let Some((class, op)) = full.split_once('.') else {
            return Err(
                self.fail(span, format!("`{{{full}}}` is no transformation: `{{class.op}}`"))
            );
        };
        if full == "re.subst" {
            return match Substitution::in_braces(rest.unwrap_or_default()) {
                Ok((substitution, variables)) => {
                    let mut spec = TransSpec::new(TransOp::Substitute(0));
                    for (arg, text) in spec.args.iter_mut().zip(&variables) {
                        *arg = TransArg::Variable(self.variable_text(text, span, depth + 1)?);
                    }
                    spec.count = variables.len() as u8;
                    self.program.substitutions.push(substitution);
                    let at = self.program.substitutions.len() as u32 - 1;
                    spec.op = TransOp::Substitute(at);
                    Ok(spec)
                }
                Err(reason) => Err(self.fail(span, format!("`{{re.subst}}`: {reason}"))),
            };
        }
        if full == "s.eval" && rest.is_none() {
            return Ok(TransSpec::new(TransOp::Eval));
        }
        let mut args = [TransArg::None; TRANSFORM_ARGS_MAX];
        let mut count = 0usize;
        let mut rest = rest;
        while let Some(text) = rest {
            if count == TRANSFORM_ARGS_MAX {
                return Err(self.fail(span, format!("too many arguments for `{{{full}}}`")));
            }
            let (arg, more) = self.transformation_arg(text, span, depth)?;
            args[count] = arg;
            count += 1;
            rest = more;
        }
        // `{nameaddr.1.uri}`
        let (index, op) = match op.split_once('.') {
            Some((n, op)) if parse_int(n.as_bytes()).is_some() => (parse_int(n.as_bytes()), op),
            _ => (None, op),
        };
        let catalog = self.catalog;
        let offered = catalog.transformations();
        let found = offered
            .iter()
            .find(|t| t.class == class && t.op == op && (index.is_none() || t.indexed));
        // `{uri.usr}` is a slip if the host has `{uri.user}`.
        let near = class != "s" && offered.iter().any(|t| t.class == class);
        let (op, least, most) = if let Some(found) = found {
            if found.standing == Standing::Planned {
                let message = format!("`{{{full}}}` is known, but not built yet in this version");
                return Err(self.fail(span, message));
            }
            (TransOp::Host(found.id), found.args_min.into(), found.args_max.into())
        } else if let Some((built_in, least, most)) = BuiltIn::find(&full) {
            (TransOp::BuiltIn(built_in), least, most)
        } else if BuiltIn::is_planned(&full) && !near {
            let message = format!("`{{{full}}}` is known, but not built yet in this version");
            return Err(self.fail(span, message));
        } else {
            let hosts: Vec<String> =
                offered.iter().map(|t| format!("{}.{}", t.class, t.op)).collect();
            let mut names: Vec<&str> = BuiltIn::names().chain(["re.subst", "s.eval"]).collect();
            names.extend(hosts.iter().map(String::as_str));
            let help = did_you_mean(&full, names);
            return Err(self.fail_help(span, format!("unknown transformation `{{{full}}}`"), help));
        };
        if count < least || count > most {
            let message = match least == most {
                true => format!("`{{{full}}}` takes {least} arguments, not {count}"),
                false => format!("`{{{full}}}` takes {least} to {most} arguments, not {count}"),
            };
            return Err(self.fail(span, message));
        }
        Ok(TransSpec { op, index, args, count: count as u8 })
    }

    /// One argument, and what stands behind its comma.
    fn transformation_arg<'t>(
        &mut self,
        text: &'t [u8],
        span: Span,
        depth: usize,
    ) -> Parsed<(TransArg, Option<&'t [u8]>)> {
        let text = text.trim_ascii_start();
        if text.first() == Some(&b'$') {
            let len = variable_len(&text[1..]).unwrap_or(0) + 1;
            let var = self.variable_text(&text[..len], span, depth + 1)?;
            let rest = text[len..].trim_ascii_start();
            return match rest.first() {
                None => Ok((TransArg::Variable(var), None)),
                Some(b',') => Ok((TransArg::Variable(var), Some(&rest[1..]))),
                Some(_) => {
                    Err(self.fail(span, "an argument of a transformation is one variable or text"))
                }
            };
        }
        let mut value = Vec::new();
        let mut at = 0;
        while at < text.len() && text[at] != b',' {
            if text[at] == b'\\' && at + 1 < text.len() {
                at += 1;
            }
            value.push(text[at]);
            at += 1;
        }
        let (start, len) = self.literal(&value);
        let arg = match parse_int(&value) {
            Some(n) => TransArg::Int(n, start, len),
            None => TransArg::Text(start, len),
        };
        Ok((arg, text.get(at + 1..).filter(|_| at < text.len())))
    }
}

impl TransSpec {
    fn new(op: TransOp) -> Self {
        Self { op, index: None, args: [TransArg::None; TRANSFORM_ARGS_MAX], count: 0 }
    }
}
