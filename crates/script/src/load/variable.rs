//! Variables, alone and inside format strings (spec §1.2, §1.3, §7).

use super::{Failed, Loader, Parsed};
use crate::catalog::{FlagKind, Standing, Subname};
use crate::diagnostic::did_you_mean;
use crate::host::{Context, Index};
use crate::lexer::{Token, balanced, is_name_byte, variable_len};
use crate::limits::VARIABLE_NESTING_MAX;
use crate::lint::Named;
use crate::machine::cells::parse_int;
use crate::program::{IndexSpec, NameSpec, Piece, Target, VarSpec};
use crate::source::Span;

/// Variables of the language itself.
pub(crate) const OWN: [&str; 12] = [
    "var",
    "param",
    "rc",
    "retcode",
    "return",
    "route",
    "route.name",
    "route.type",
    "rT",
    "cfg_line",
    "cfg_file",
    "avp",
];

impl Loader<'_> {
    /// The variable that is the next token.
    pub(super) fn variable(&mut self) -> Parsed<(u32, Span)> {
        let span = self.span();
        if self.peek() != Some(Token::Variable) {
            let message = format!("expected a variable, found {}", self.found());
            return Err(self.fail(span, message));
        }
        let text = self.next_text().to_owned();
        self.at += 1;
        let var = self.variable_text(text.as_bytes(), span, 0)?;
        Ok((var, span))
    }

    /// Cuts a format string into text and variables.
    pub(super) fn pieces(&mut self, text: &[u8], span: Span) -> Parsed<(u32, u32)> {
        self.pieces_within(text, span, 0)
    }

    fn pieces_within(&mut self, text: &[u8], span: Span, depth: usize) -> Parsed<(u32, u32)> {
        let mut found = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let plain = rest.iter().position(|&b| b == b'$').unwrap_or(rest.len());
            if plain > 0 {
                let (start, len) = self.literal(&rest[..plain]);
                found.push(Piece::Literal(start, len));
                rest = &rest[plain..];
                continue;
            }
            // Without escapes the place in the string is the place in the file.
            let offset = text.len() - rest.len();
            let exact = text.len() + 2 == (span.end - span.start) as usize;
            let place = |len| if exact { span.part(1 + offset, len) } else { span };
            let len = match variable_len(&rest[1..]) {
                Ok(0) => {
                    return Err(self.fail(place(1), "a `$` that begins no variable; write `$$`"));
                }
                Ok(len) => len + 1,
                Err(error) => return Err(self.fail(place(rest.len()), error.message())),
            };
            if rest[1] == b'$' {
                let (start, len) = self.literal(b"$");
                found.push(Piece::Literal(start, len));
            } else {
                let var = self.variable_text(&rest[..len], place(len), depth)?;
                found.push(Piece::Variable(var));
            }
            rest = &rest[len..];
        }
        // Only now, because names of variables have pieces of their own.
        let from = self.program.pieces.len() as u32;
        self.program.pieces.extend(found);
        Ok((from, self.program.pieces.len() as u32))
    }

    /// A whole variable, from its `$` to its end.
    pub(super) fn variable_text(&mut self, text: &[u8], span: Span, depth: usize) -> Parsed<u32> {
        if depth > VARIABLE_NESTING_MAX {
            return Err(self.fail(span, "too many variables inside each other"));
        }
        let inside = text.get(1..).unwrap_or_default();
        if inside == b"$" {
            return Ok(self.push_variable(VarSpec::new(Target::Dollar), span));
        }
        let full = inside.first() == Some(&b'(');
        let mut rest = match full {
            true => inside.get(1..inside.len() - 1).unwrap_or_default(),
            false => inside,
        };
        let mut context = Context::Current;
        if rest.first() == Some(&b'<') {
            let Some(end) = rest.iter().position(|&b| b == b'>') else {
                return Err(
                    self.fail(span, "the context of a variable is not closed, `>` is missing")
                );
            };
            context = match &rest[1..end] {
                b"request" => Context::Request,
                b"reply" => Context::Reply,
                _ => return Err(self.fail(span, "a context is `<request>` or `<reply>`")),
            };
            if !self.serves_named("tm") {
                let help = Some(self.how_to_have("tm"));
                return Err(self.fail_help(span, "contexts of variables belong to `tm`", help));
            }
            rest = &rest[end + 1..];
        }
        let len = rest.iter().take_while(|&&b| is_name_byte(b)).count();
        let name = String::from_utf8_lossy(&rest[..len]).into_owned();
        rest = &rest[len..];
        let mut subname = None;
        if rest.first() == Some(&b'(') {
            let Some(len) = balanced(rest, b'(', b')') else {
                return Err(self.fail(span, "a `)` is missing in this variable"));
            };
            subname = Some(&rest[1..len - 1]);
            rest = &rest[len..];
        }
        let mut spec = self.resolve(&name, subname, span, depth)?;
        spec.context = context;
        if rest.first() == Some(&b'[') {
            let Some(len) = balanced(rest, b'[', b']') else {
                return Err(self.fail(span, "a `]` is missing in this variable"));
            };
            spec.index = self.index(&rest[1..len - 1], &name, spec.target, span, depth)?;
            rest = &rest[len..];
        }
        let mut transforms = Vec::new();
        while rest.first() == Some(&b'{') {
            let Some(len) = balanced(rest, b'{', b'}') else {
                return Err(self.fail(span, "a `}` is missing in this variable"));
            };
            transforms.push(self.transformation(&rest[1..len - 1], span, depth)?);
            rest = &rest[len..];
        }
        if !rest.is_empty() {
            let shown = String::from_utf8_lossy(rest).into_owned();
            return Err(self.fail(span, format!("unexpected `{shown}` in this variable")));
        }
        let from = self.program.transforms.len() as u32;
        self.program.transforms.extend(transforms);
        spec.transforms = (from, self.program.transforms.len() as u32);
        Ok(self.push_variable(spec, span))
    }

    fn push_variable(&mut self, spec: VarSpec, span: Span) -> u32 {
        self.program.variables.push(spec);
        self.notes.variables.push(span);
        self.program.variables.len() as u32 - 1
    }

    /// Who owns the name, and what stands in its parentheses.
    fn resolve(
        &mut self,
        name: &str,
        subname: Option<&[u8]>,
        span: Span,
        depth: usize,
    ) -> Parsed<VarSpec> {
        let constant = subname.filter(|s| s.first() != Some(&b'$'));
        let number = constant.and_then(parse_int);
        let (target, wanted) = match name {
            "var" => match constant {
                Some(name) => (Target::Var(self.var_slot(name)), Subname::Required),
                None => (Target::VarNamed, Subname::Required),
            },
            "param" => (number.map_or(Target::ParamNamed, Target::ParamAt), Subname::Required),
            "return" => (number.map_or(Target::ReturnNamed, Target::ReturnAt), Subname::Required),
            "rc" | "retcode" => (Target::ReturnCode, Subname::None),
            "route" => (Target::Route, Subname::None),
            "rT" => {
                self.notes.names.push((Named::Variable("rT"), span));
                (Target::Route, Subname::None)
            }
            "route.name" => (Target::RouteName, Subname::None),
            "route.type" => (Target::RouteType, Subname::None),
            "cfg_line" => (Target::ConfigLine, Subname::None),
            "cfg_file" => (Target::ConfigFile, Subname::None),
            _ => return self.resolve_host(name, subname, span, depth),
        };
        self.check_subname(name, wanted, subname, span)?;
        let mut spec = VarSpec::new(target);
        if matches!(target, Target::VarNamed | Target::ParamNamed | Target::ReturnNamed) {
            spec.name = self.subname(subname, None, span, depth)?;
        }
        Ok(spec)
    }

    fn resolve_host(
        &mut self,
        name: &str,
        subname: Option<&[u8]>,
        span: Span,
        depth: usize,
    ) -> Parsed<VarSpec> {
        let catalog = self.catalog;
        let named = || catalog.variables().iter().filter(|v| v.name == name);
        let loaded = |module| self.serves(module);
        let found = named().find(|v| v.module.is_none_or(loaded)).or_else(|| named().next());
        let Some(variable) = found else {
            let names = || catalog.variables().iter().map(|v| v.name).chain(OWN);
            let short = name.trim_end_matches('.');
            let help = if short.len() < name.len() && names().any(|n| n == short) {
                Some(format!("the dot belongs to the name; write `$({short}).`"))
            } else {
                did_you_mean(name, names()).map(|help| help.replacen('`', "`$", 1))
            };
            let message = format!(
                "unknown script variable `${name}`, maybe a 'loadmodule' statement is missing"
            );
            return Err(self.fail_help(span, message, help));
        };
        if !variable.module.is_none_or(loaded) {
            let module = catalog.modules().iter().find(|m| Some(m.id) == variable.module);
            let help =
                module.map(|m| format!("it belongs to `{}`: {}", m.name, self.how_to_have(m.name)));
            let message = format!(
                "unknown script variable `${name}`, maybe a 'loadmodule' statement is missing"
            );
            return Err(self.fail_help(span, message, help));
        }
        if variable.standing == Standing::Planned {
            let message = format!("`${name}` is known, but not built yet in this version");
            return Err(self.fail(span, message));
        }
        self.check_subname(name, variable.subname, subname, span)?;
        self.notes.names.push((Named::Variable(variable.name), span));
        let mut spec = VarSpec::new(Target::Host(variable.id));
        if let (Subname::Path, Some(path)) = (variable.subname, subname)
            && path.contains(&b'$')
        {
            spec.name = self.path(path, span, depth)?;
            return Ok(spec);
        }
        let mut key = None;
        if let Some(text) = subname.filter(|s| s.first() != Some(&b'$')) {
            let text = String::from_utf8_lossy(text).into_owned();
            key = match variable.subname {
                Subname::Flag(kind) => Some(u32::from(self.flag_of_variable(kind, &text, span)?)),
                _ => match catalog.resolve_subname(variable.id, &text) {
                    Ok(key) => key,
                    Err(reason) => return Err(self.fail(span, format!("`${name}`: {reason}"))),
                },
            };
        }
        spec.name = self.subname(subname, key, span, depth)?;
        Ok(spec)
    }

    fn flag_of_variable(&mut self, kind: FlagKind, name: &str, span: Span) -> Parsed<u8> {
        self.flag(kind, name, span)
    }

    fn check_subname(
        &mut self,
        name: &str,
        wanted: Subname,
        subname: Option<&[u8]>,
        span: Span,
    ) -> Parsed<()> {
        match (wanted, subname) {
            (Subname::None, Some(_)) => {
                Err(self.fail(span, format!("`${name}` takes nothing in parentheses")))
            }
            (Subname::Required | Subname::Path | Subname::Flag(_), None) => {
                let help = Some(format!("write `${name}(…)`"));
                Err(self.fail_help(span, format!("`${name}` needs a name in parentheses"), help))
            }
            (_, Some(b"")) => {
                Err(self.fail(span, format!("the parentheses of `${name}` are empty")))
            }
            _ => Ok(()),
        }
    }

    fn subname(
        &mut self,
        subname: Option<&[u8]>,
        key: Option<u32>,
        span: Span,
        depth: usize,
    ) -> Parsed<NameSpec> {
        Ok(match subname {
            None => NameSpec::None,
            Some(text) if text.first() == Some(&b'$') => {
                NameSpec::Dynamic(self.variable_text(text, span, depth + 1)?)
            }
            Some(text) => {
                let (start, len) = self.literal(text);
                NameSpec::Fixed { start, len, key }
            }
        })
    }

    /// The parentheses of a variable that takes a path with variables in it.
    fn path(&mut self, path: &[u8], span: Span, depth: usize) -> Parsed<NameSpec> {
        let lone = path.first() == Some(&b'$')
            && variable_len(&path[1..]).is_ok_and(|len| len + 1 == path.len());
        if lone {
            return self.subname(Some(path), None, span, depth);
        }
        let (from, to) = self.pieces_within(path, span, depth + 1)?;
        Ok(NameSpec::Path(from, to))
    }

    fn var_slot(&mut self, name: &[u8]) -> u32 {
        let name = String::from_utf8_lossy(name);
        let vars = &mut self.program.vars;
        let at = vars.iter().position(|v| *v == name).unwrap_or_else(|| {
            vars.push(name.into_owned());
            vars.len() - 1
        });
        at as u32
    }

    fn index(
        &mut self,
        text: &[u8],
        name: &str,
        target: Target,
        span: Span,
        depth: usize,
    ) -> Parsed<IndexSpec> {
        let declared = match target {
            Target::Host(id) => self.catalog.variables().iter().find(|v| v.id == id),
            _ => None,
        };
        let own = matches!(target, Target::Route | Target::RouteName | Target::RouteType);
        if !own && !declared.is_some_and(|declared| declared.indexed) {
            return Err(self.fail(span, format!("`${name}` takes no index")));
        }
        let has_set = declared.is_some_and(|declared| declared.has_set);
        let (text, active) = match has_set {
            true => of_set(text),
            false => (text, false),
        };
        Ok(match text {
            b"*" if active => IndexSpec::Plain(Index::AllActive),
            b"*" => IndexSpec::Plain(Index::All),
            b"append" if name == "avp" => IndexSpec::Plain(Index::Append),
            [b'$', ..] => {
                let inner = self.variable_text(text, span, depth + 1)?;
                if active { IndexSpec::DynamicActive(inner) } else { IndexSpec::Dynamic(inner) }
            }
            text => match parse_int(text) {
                Some(n) if active => IndexSpec::Plain(Index::AtActive(n)),
                Some(n) => IndexSpec::Plain(Index::At(n)),
                None => {
                    let shown = String::from_utf8_lossy(text).into_owned();
                    return Err::<_, Failed>(self.fail(span, format!("`{shown}` is no index")));
                }
            },
        })
    }
}

/// An index without its `/active` or `/all`, and whether it counts the active set only.
fn of_set(text: &[u8]) -> (&[u8], bool) {
    match text.strip_suffix(b"/active") {
        Some(number) => (number, true),
        None => (text.strip_suffix(b"/all").unwrap_or(text), false),
    }
}

impl VarSpec {
    fn new(target: Target) -> Self {
        Self {
            target,
            context: Context::Current,
            name: NameSpec::None,
            index: IndexSpec::Plain(Index::None),
            transforms: (0, 0),
        }
    }
}
