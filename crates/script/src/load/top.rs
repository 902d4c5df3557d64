//! The top level of a file: settings, modules, and the heads of route blocks (spec §2, §3.1).

use super::{Failed, Loader, Parsed};
use crate::catalog::{GlobalKind, Module, ModuleId, Name, ParameterKind, RouteKind, Standing};
use crate::diagnostic::did_you_mean;
use crate::lexer::{Token, number};
use crate::limits::ROUTES_MAX;
use crate::lint::{DEPRECATED_NAME, EMPTY_ROUTE, LOADED_TWICE, NO_EFFECT};
use crate::pattern::{Pattern, PatternFlags};
use crate::program::{Op, Route};
use crate::script::{GlobalSetting, LoadedModule, ModuleSetting, Setup};
use crate::source::Span;
use crate::value::Setting;

/// The keywords that begin something at the top level.
const KEYWORDS: [&str; 12] = [
    "loadmodule",
    "modparam",
    "mpath",
    "route",
    "branch_route",
    "failure_route",
    "onreply_route",
    "error_route",
    "local_route",
    "startup_route",
    "timer_route",
    "event_route",
];

impl Loader<'_> {
    /// file := { item }
    pub(super) fn file(&mut self) {
        while self.peek().is_some() {
            let before = self.at;
            if self.item().is_err() {
                self.skip_item(before);
            }
            if self.at == before {
                self.at += 1;
            }
        }
    }

    fn item(&mut self) -> Parsed<()> {
        let span = self.span();
        if self.take(Token::Semicolon) {
            return Ok(());
        }
        if self.peek() != Some(Token::Word) {
            let message = format!("expected a setting or a route, found {}", self.found());
            return Err(self.fail(span, message));
        }
        let mut word = self.next_text().to_owned();
        self.at += 1;
        // `mem-group`, the one setting with a dash in its name.
        let dashed = self.peek_at(1) == Some(Token::Word) && self.peek_at(2) == Some(Token::Assign);
        if dashed && self.take(Token::Minus) {
            word = format!("{word}-{}", self.next_text());
            self.at += 1;
        }
        match word.as_str() {
            "loadmodule" => self.loadmodule(),
            "modparam" => self.modparam(),
            "route" => self.route_block(RouteKind::Request, span),
            "branch_route" => self.route_block(RouteKind::Branch, span),
            "failure_route" => self.route_block(RouteKind::Failure, span),
            "onreply_route" => self.route_block(RouteKind::Reply, span),
            "error_route" => self.route_block(RouteKind::Error, span),
            "local_route" => self.route_block(RouteKind::Local, span),
            "startup_route" => self.route_block(RouteKind::Startup, span),
            "timer_route" => self.route_block(RouteKind::Timer, span),
            "event_route" => self.route_block(RouteKind::Event, span),
            _ => self.global(&word, span),
        }
    }

    /// Goes to the next thing that looks like the beginning of an item, behind balanced braces.
    fn skip_item(&mut self, from: usize) {
        let mut depth = 0usize;
        for token in &self.tokens[from.min(self.at)..self.at] {
            match token.token {
                Token::BraceOpen => depth += 1,
                Token::BraceClose => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        while let Some(token) = self.peek() {
            if self.begins_route() && self.at > from {
                return;
            }
            match token {
                Token::BraceOpen => depth += 1,
                Token::BraceClose => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                Token::Word if depth == 0 && self.begins_item() => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Whether a route block begins here, not a call of `route()`.
    pub(super) fn begins_route(&self) -> bool {
        self.peek() == Some(Token::Word) && begins_route(self.next_text(), self.peek_at(1))
    }

    pub(super) fn begins_item(&self) -> bool {
        begins_item(self.next_text(), |ahead| self.peek_at(ahead))
    }

    /// name = value
    fn global(&mut self, name: &str, span: Span) -> Parsed<()> {
        if !self.take(Token::Assign) {
            let known = KEYWORDS.iter().copied();
            let help =
                did_you_mean(name, known.chain(self.catalog.globals().iter().map(|g| g.name)));
            let message = format!("expected `=` behind `{name}`, found {}", self.found());
            return Err(self.fail_help(span, message, help));
        }
        match name {
            "mpath" => {
                // Modules are part of the program; the paths are read and have no use.
                loop {
                    if self.string().is_none() {
                        return Err(self.fail(self.span(), "string value expected"));
                    }
                    if !self.take(Token::Colon) {
                        return Ok(());
                    }
                }
            }
            "socket" | "listen" => return self.socket(name, span),
            "alias" => return self.alias(),
            _ => {}
        }
        let catalog = self.catalog;
        let Some(global) = catalog.globals().iter().find(|g| g.is_named(name)) else {
            let help = did_you_mean(name, catalog.globals().iter().map(|g| g.name));
            self.report.error_help(span, format!("unknown config variable `{name}`"), help);
            self.skip_value();
            return Ok(());
        };
        if let Some(instead) = global.obsolete {
            let message = format!("`{name}` is no longer a setting");
            self.report.error_help(span, message, Some(format!("use {instead}")));
            self.skip_value();
            return Ok(());
        }
        if global.standing == Standing::Planned {
            self.report.error(span, format!("`{name}` is not built yet in this version"));
            self.skip_value();
            return Ok(());
        }
        let value_span = self.span();
        let value = match global.kind {
            GlobalKind::Any => {
                let from = self.at;
                self.skip_value();
                let whole = match self.at > from {
                    true => value_span.to(self.before()),
                    false => return Err(self.fail(value_span, "a value is missing")),
                };
                Setting::Str(self.files.text(whole).to_owned())
            }
            GlobalKind::Int | GlobalKind::Bool => {
                let Some(n) = self.signed_number() else {
                    let kind =
                        if global.kind == GlobalKind::Int { "number" } else { "boolean value" };
                    let message = format!("{kind} expected for `{name}`, found {}", self.found());
                    self.report.error(value_span, message);
                    self.skip_value();
                    return Ok(());
                };
                if global.kind == GlobalKind::Bool && !matches!(n, 0 | 1) {
                    return Err(
                        self.fail(value_span, format!("boolean value expected for `{name}`"))
                    );
                }
                // `udp_workers = 4 use_auto_scaling_profile ID`
                if name.ends_with("_workers") && self.take_word("use_auto_scaling_profile") {
                    let message = "auto-scaling profiles have no effect";
                    self.report.warning(&NO_EFFECT, value_span, message, None);
                    self.at += 1;
                }
                Setting::Int(n)
            }
            GlobalKind::Str => match self.string_text() {
                Some((text, _)) => Setting::Str(text),
                None => {
                    let message =
                        format!("string value expected for `{name}`, found {}", self.found());
                    self.report.error(value_span, message);
                    self.skip_value();
                    return Ok(());
                }
            },
            GlobalKind::Ident => match self.string_text() {
                Some((text, _)) => Setting::Str(text),
                None => match self.signed_number() {
                    Some(n) => Setting::Int(n),
                    None => match self.raw_word() {
                        Some((text, _)) => Setting::Str(text),
                        None => return Err(self.fail(value_span, "a value is missing")),
                    },
                },
            },
        };
        if let Err(reason) = catalog.check_global(name, &value) {
            self.report.error(value_span, format!("wrong value for `{name}`: {reason}"));
        } else if self.setup.global(name).is_none() {
            if let Some(new) = catalog.renamed(Name::Global(name)) {
                let message = format!("`{name}` is the old name of `{new}`");
                self.report.warning(&DEPRECATED_NAME, span, message, None);
            }
            if let Some(note) = catalog.note_global(name, &value) {
                self.report.warning(&NO_EFFECT, span, note, None);
            }
        }
        // What runs keeps the settings that it started with.
        if let (Setting::Int(n), None) = (&value, self.in_force) {
            self.apply(name, *n);
        }
        let location = self.location(span);
        self.setup.globals.push(GlobalSetting { name: name.to_owned(), value, location });
        Ok(())
    }

    /// What the machine itself must know.
    fn apply(&mut self, name: &str, n: i32) {
        let settings = &mut self.program.settings;
        let bytes = usize::try_from(n).unwrap_or(0);
        match name {
            "max_while_loops" => settings.while_loops_max = u32::try_from(n).unwrap_or(0),
            "pv_print_buf_size" => settings.format_bytes_max = bytes,
            "xlog_buf_size" => settings.xlog_bytes_max = bytes,
            "xlog_print_level" => settings.xlog_print_level = n,
            "enable_asserts" => settings.asserts = n != 0,
            _ => {}
        }
    }

    /// Goes behind a value that means nothing: to the next line that begins an item.
    fn skip_value(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            match token {
                Token::BraceOpen => depth += 1,
                Token::BraceClose => depth = depth.saturating_sub(1),
                Token::Word if depth == 0 && self.begins_item() => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// loadmodule "name.so"
    fn loadmodule(&mut self) -> Parsed<()> {
        let Some((path, span)) = self.string_text() else {
            return Err(self.fail(self.span(), "`loadmodule` needs a quoted name"));
        };
        let name = module_name(&path);
        let catalog = self.catalog;
        let Some(module) = catalog.modules().iter().find(|m| m.name == name) else {
            let near = did_you_mean(name, catalog.modules().iter().map(|m| m.name));
            let help = near.into_iter().chain([self.built_modules()]).collect::<Vec<_>>().join(" ");
            let message = format!("failed to load module `{name}`: unknown");
            self.report.error_help(span, message, Some(help));
            return Ok(());
        };
        if module.standing == Standing::Planned {
            let message =
                format!("the module `{name}` is known, but not built yet in this version");
            self.report.error_help(span, message, Some(self.built_modules()));
        }
        if self.loaded(module) {
            let message = format!("the module `{name}` is loaded already");
            self.report.warning(&LOADED_TWICE, span, message, None);
            return Ok(());
        }
        let location = self.location(span);
        self.setup.modules.push(LoadedModule { id: module.id, name: name.to_owned(), location });
        Ok(())
    }

    /// The modules that there are, for people.
    fn built_modules(&self) -> String {
        let all = self.catalog.modules().iter().filter(|m| m.standing == Standing::Built);
        let names: Vec<&str> = all.map(|m| m.name).collect();
        format!("there are {}", names.join(", "))
    }

    /// The line of the `loadmodule` of a module that comes too late.
    fn loaded_below(&self, name: &str) -> Option<u32> {
        let found = self.tokens[self.at..].windows(2).find(|pair| {
            let [word, path] = [pair[0], pair[1]].map(|it| self.files.text(it.span));
            word == "loadmodule" && module_name(path.trim_matches(['"', '\''])) == name
        });
        found.map(|pair| self.files.line(pair[0].span))
    }

    fn loaded(&self, module: &Module) -> bool {
        self.setup.modules.iter().any(|m| m.id == module.id)
    }

    /// Whether a name of this module may be used: it is loaded, and if something runs already, it
    /// was when that started.
    pub(super) fn serves(&self, module: ModuleId) -> bool {
        let has = |setup: &Setup| setup.modules.iter().any(|m| m.id == module);
        has(&self.setup) && self.in_force.is_none_or(has)
    }

    /// The same, for a module that the language itself leans on.
    pub(super) fn serves_named(&self, name: &str) -> bool {
        self.setup.has_module(name) && self.in_force.is_none_or(|setup| setup.has_module(name))
    }

    /// What to do about a module that does not serve.
    pub(super) fn how_to_have(&self, name: &str) -> String {
        match self.setup.has_module(name) {
            true => format!("`{name}` was not loaded when the proxy started: restart it"),
            false => format!("add `loadmodule \"{name}.so\"` above"),
        }
    }

    /// modparam("expression", "name", value)
    fn modparam(&mut self) -> Parsed<()> {
        self.expect(Token::Open, "`(`")?;
        let Some((expression, module_span)) = self.string_text() else {
            return Err(self.fail(self.span(), "`modparam` needs the quoted name of a module"));
        };
        self.expect(Token::Comma, "`,`")?;
        let Some((name, name_span)) = self.string_text() else {
            return Err(self.fail(self.span(), "`modparam` needs the quoted name of a parameter"));
        };
        self.expect(Token::Comma, "`,`")?;
        let value_span = self.span();
        let value = match self.string_text() {
            Some((mut text, _)) => {
                // Spec §1.1: adjacent strings are one value here.
                while let Some((more, _)) = self.string_text() {
                    text.push_str(&more);
                }
                Setting::Str(text)
            }
            None => match self.signed_number() {
                Some(n) => Setting::Int(n),
                None => {
                    let message = format!("expected a string or a number, found {}", self.found());
                    return Err(self.fail(value_span, message));
                }
            },
        };
        self.expect(Token::Close, "`)`")?;
        let anchored = format!("^({expression})$");
        let pattern = match Pattern::compile(anchored.as_bytes(), PatternFlags::OPERATOR) {
            Ok(pattern) => pattern,
            Err(reason) => {
                let message = format!("wrong expression for modules: {reason}");
                return Err(self.fail(module_span, message));
            }
        };
        let catalog = self.catalog;
        let matched: Vec<_> = self
            .setup
            .modules
            .iter()
            .filter(|m| pattern.is_match(m.name.as_bytes()))
            .map(|m| (m.id, m.name.clone()))
            .collect();
        if matched.is_empty() {
            let known = catalog.modules().iter().find(|m| pattern.is_match(m.name.as_bytes()));
            let help = match known {
                Some(module) => Some(match self.loaded_below(module.name) {
                    Some(line) => format!("`loadmodule` stands below, in line {line}: move it up"),
                    None => format!("add `loadmodule \"{}.so\"` above", module.name),
                }),
                None => did_you_mean(&expression, catalog.modules().iter().map(|m| m.name)),
            };
            let message = format!("no loaded module matches `{expression}`");
            return Err(self.fail_help(module_span, message, help));
        }
        for (module, module_name) in matched {
            let known = || catalog.parameters().iter().filter(|p| p.module == module);
            let Some(parameter) = known().find(|p| p.name == name) else {
                let help = did_you_mean(&name, known().map(|p| p.name));
                let message =
                    format!("Parameter <{name}> not found in module <{module_name}> - can't set");
                self.report.error_help(name_span, message, help);
                continue;
            };
            let wrong = match (parameter.kind, &value) {
                (ParameterKind::Int, Setting::Str(_)) => Some("number expected"),
                (ParameterKind::Str, Setting::Int(_)) => Some("string value expected"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                self.report.error(value_span, format!("{wrong} for `{name}` of `{module_name}`"));
            } else if parameter.standing == Standing::Planned {
                let message = format!(
                    "`{name}` of `{module_name}` is known, but not built yet in this version"
                );
                self.report.error(name_span, message);
            } else if let Err(reason) = catalog.check_parameter(module, &name, &value) {
                self.report.error(value_span, format!("wrong value for `{name}`: {reason}"));
            } else if self.setup.modparam(module, &name).next().is_none()
                && let Some(note) = catalog.note_parameter(module, &name, &value)
            {
                self.report.warning(&NO_EFFECT, name_span, note, None);
            }
            let location = self.location(name_span);
            let (name, value) = (name.clone(), value.clone());
            self.setup.modparams.push(ModuleSetting { module, name, value, location });
        }
        Ok(())
    }

    /// route := kind [ "[" name [ "," seconds ] "]" ] "{" statements "}"
    fn route_block(&mut self, kind: RouteKind, head: Span) -> Parsed<()> {
        let mut name = None;
        let mut interval_seconds = None;
        let mut name_span = head;
        if self.take(Token::BracketOpen) {
            name_span = self.span();
            let mut whole = self.route_name()?;
            // `event_route[dialog:start]`
            while kind == RouteKind::Event && self.take(Token::Colon) {
                whole.push(':');
                whole.push_str(&self.route_name()?);
            }
            name = Some(whole);
            if self.take(Token::Comma) {
                let span = self.span();
                let seconds = self.signed_number().and_then(|n| u32::try_from(n).ok());
                match seconds {
                    Some(seconds) if seconds > 0 && kind == RouteKind::Timer => {
                        interval_seconds = Some(seconds);
                    }
                    _ if kind == RouteKind::Timer => {
                        self.report.error(span, "the interval is a number of seconds above 0");
                    }
                    _ => self.report.error(span, "only `timer_route` takes an interval"),
                }
            }
            self.expect(Token::BracketClose, "`]`")?;
        }
        use RouteKind::{Branch, Error, Event, Failure, Local, Reply, Request, Startup, Timer};
        let word = kind.keyword();
        match (kind, &name) {
            (Branch | Failure | Event | Timer, None) => {
                self.report.error(head, format!("`{word}` needs a name: `{word}[name]`"));
            }
            (Error | Local | Startup, Some(n)) if n != "0" => {
                self.report.error(name_span, format!("`{word}` takes no name"));
            }
            (Timer, Some(_)) if interval_seconds.is_none() => {
                self.report.error(name_span, "`timer_route` needs an interval: `[name, seconds]`");
            }
            (Request | Reply, None) | (_, Some(_)) | (Error | Local | Startup, None) => {}
        }
        let name = name.unwrap_or_else(|| "0".to_owned());
        if self.program.route(kind, &name).is_some() {
            let message = if name == "0" {
                format!("overwriting default {word} routing table")
            } else {
                format!("Script route <{name}> is redefined")
            };
            self.report.error(name_span, message);
        }
        let of_kind = self.program.routes().filter(|(_, route)| route.kind == kind);
        if of_kind.count() >= ROUTES_MAX {
            self.report.error(name_span, format!("more than {ROUTES_MAX} blocks of `{word}`"));
        }
        self.kind = kind;
        let route = Route { kind, interval_seconds, entry: self.here(), name };
        // One that an earlier script had keeps its number.
        let earlier = |it: &Route| !it.is_defined() && it.is(kind, &route.name);
        let at = self.program.routes.iter().position(earlier);
        let at = at.unwrap_or(self.program.routes.len());
        self.route = at as u32;
        if at < self.program.routes.len() {
            self.program.routes[at] = route;
            self.notes.routes[at] = name_span;
        } else {
            self.program.routes.push(route);
            self.notes.routes.push(name_span);
        }
        self.expect(Token::BraceOpen, "`{`")?;
        let empty = self.peek() == Some(Token::BraceClose);
        self.statements();
        if empty {
            let message = "this route is empty: it returns 1";
            self.report.warning(&EMPTY_ROUTE, head, message, None);
        }
        let span = self.span();
        self.emit(Op::EndOfRoute, span);
        self.expect(Token::BraceClose, "`}`")
    }

    /// A word, number or string.
    pub(super) fn route_name(&mut self) -> Parsed<String> {
        let span = self.span();
        if let Some((text, _)) = self.string_text() {
            return Ok(text);
        }
        match self.peek() {
            Some(Token::Word) => {
                self.at += 1;
                Ok(self.files.text(span).to_owned())
            }
            Some(Token::Number) => {
                self.at += 1;
                // `route[00]` is the same block as `route[0]`.
                Ok(number(self.files.text(span)).map_or_else(String::new, |n| n.to_string()))
            }
            _ => {
                let message = format!("expected the name of a route, found {}", self.found());
                Err(self.fail(span, message))
            }
        }
    }

    // Values.

    /// A number with sign, or a boolean word.
    pub(super) fn signed_number(&mut self) -> Option<i32> {
        let from = self.at;
        let negative = self.take(Token::Minus);
        if !negative {
            self.take(Token::Plus);
        }
        let text = self.next_text();
        let value = match self.peek() {
            Some(Token::Number) => number(text),
            Some(Token::Word) if self.at == from => match text {
                "yes" | "true" | "on" | "enable" => Some(1),
                "no" | "false" | "off" | "disable" => Some(0),
                _ => None,
            },
            _ => None,
        };
        if value.is_some() {
            self.at += 1;
        } else {
            self.at = from;
        }
        value.map(|n| if negative { n.wrapping_neg() } else { n })
    }

    /// A string literal as text.
    pub(super) fn string_text(&mut self) -> Option<(String, Span)> {
        let (bytes, span) = self.string()?;
        Some((String::from_utf8_lossy(&bytes).into_owned(), span))
    }

    /// Tokens without space between them, up to a brace, as one text: hosts and sockets.
    pub(super) fn raw_word(&mut self) -> Option<(String, Span)> {
        let mut span = self.span();
        self.peek()?;
        if let Some(found) = self.string_text() {
            return Some(found);
        }
        self.at += 1;
        while self.at < self.tokens.len() {
            let next = self.span();
            let apart = next.file != span.file || next.start != span.end;
            if apart || self.peek() == Some(Token::BraceOpen) {
                break;
            }
            span = span.to(next);
            self.at += 1;
        }
        Some((self.files.text(span).to_owned(), span))
    }

    /// Reports an item that cannot be.
    pub(super) fn refuse(&mut self, span: Span, message: &str) -> Failed {
        self.fail(span, message)
    }
}

/// Whether a word with these tokens behind it begins something at the top level.
pub(crate) fn begins_item(word: &str, ahead: impl Fn(usize) -> Option<Token>) -> bool {
    use Token::{Assign, BraceOpen, BracketOpen, Minus, Open, Raw, Text, Word};
    let keyword = KEYWORDS.contains(&word)
        && matches!(ahead(1), Some(Text | Raw | Open | BraceOpen | BracketOpen));
    let dashed = ahead(1) == Some(Minus) && ahead(2) == Some(Word) && ahead(3) == Some(Assign);
    keyword || dashed || ahead(1) == Some(Assign)
}

/// Whether a word with this token behind it begins a route block; `route(` is a call.
pub(crate) fn begins_route(word: &str, next: Option<Token>) -> bool {
    KEYWORDS[3..].contains(&word) && matches!(next, Some(Token::BraceOpen | Token::BracketOpen))
}

/// The file stem: `tm` of `/usr/lib/modules/tm.so`.
fn module_name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".so").unwrap_or(file)
}
