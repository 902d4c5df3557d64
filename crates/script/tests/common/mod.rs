//! A small world for scripts: a catalog with a few names, and a host that writes everything down.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use duologue_script::*;

pub struct Shop;

pub const TM: ModuleId = ModuleId(1);
pub const RR: ModuleId = ModuleId(2);
pub const ACC: ModuleId = ModuleId(3);

const REPLY: RouteKinds = RouteKinds::REPLY;

pub const CODE: FunctionId = FunctionId(1);
pub const SETFLAG: FunctionId = FunctionId(2);
pub const FORWARD: FunctionId = FunctionId(3);
pub const T_RELAY: FunctionId = FunctionId(4);
pub const LOOSE_ROUTE: FunctionId = FunctionId(5);
pub const SAY: FunctionId = FunctionId(6);
pub const FETCH: FunctionId = FunctionId(7);
pub const WAIT: FunctionId = FunctionId(8);
pub const SEARCH: FunctionId = FunctionId(9);
pub const ON_FAILURE: FunctionId = FunctionId(10);
pub const CHECK: FunctionId = FunctionId(11);
pub const SWAP: FunctionId = FunctionId(12);
pub const ACROSS: FunctionId = FunctionId(13);
pub const LOOK: FunctionId = FunctionId(14);

impl Catalog for Shop {
    fn modules(&self) -> &[Module] {
        const LIST: &[Module] = &[
            Module { id: TM, name: "tm", standing: Standing::Built },
            Module { id: RR, name: "rr", standing: Standing::Built },
            Module { id: ACC, name: "acc", standing: Standing::Planned },
        ];
        LIST
    }

    fn functions(&self) -> &[Function] {
        use ParamKind as K;
        const LIST: &[Function] = &[
            Function::core(CODE, "code", &[Param::new(K::Int)]),
            Function::core(SETFLAG, "setflag", &[Param::new(K::Flag(FlagKind::Message))]),
            Function::core(FORWARD, "forward", &[Param::optional(K::Str)]),
            Function::of(
                TM,
                T_RELAY,
                "t_relay",
                &[Param::optional(K::Static)],
                RouteKinds::REQUEST.union(RouteKinds::FAILURE),
            ),
            Function::of(RR, LOOSE_ROUTE, "loose_route", &[], RouteKinds::REQUEST),
            Function::core(
                SAY,
                "say",
                &[Param::new(K::Str), Param::optional(K::Int), Param::optional(K::Str)],
            ),
            Function::core(FETCH, "fetch", &[Param::new(K::Str), Param::new(K::Var)]),
            Function::core(LOOK, "look", &[Param::new(K::AnyVar)]),
            Function::core(WAIT, "wait", &[Param::new(K::Int), Param::optional(K::Var)])
                .asynchronous(),
            Function::core(SEARCH, "search", &[Param::new(K::Regex)]),
            Function::core(SWAP, "swap", &[Param::new(K::Substitution)]),
            Function::core(ACROSS, "across", &[Param::new(K::TextRegex)]),
            Function::of(
                TM,
                ON_FAILURE,
                "t_on_failure",
                &[Param::new(K::Route(RouteKind::Failure))],
                RouteKinds::REQUEST,
            ),
            Function::of(TM, CHECK, "t_check", &[], REPLY),
            Function::core(FunctionId(99), "cache_store", &[]).planned(),
        ];
        LIST
    }

    fn variables(&self) -> &[Variable] {
        const LIST: &[Variable] = &[
            Variable::core(VariableId(1), "ru").writable(),
            Variable::core(VariableId(2), "avp").writable().named(Subname::Required).indexed(),
            Variable::core(VariableId(3), "si"),
            Variable::core(VariableId(4), "hdr").named(Subname::Required).indexed(),
            Variable::core(VariableId(5), "null"),
            Variable::core(VariableId(6), "rp").writable(),
            Variable::core(VariableId(7), "err.class"),
            Variable::of(TM, VariableId(8), "T_branch_idx"),
            Variable::core(VariableId(9), "msg.flag")
                .writable()
                .named(Subname::Flag(FlagKind::Message)),
            Variable::core(VariableId(10), "mb").planned(),
            Variable::core(VariableId(11), "tree").writable().named(Subname::Path),
            Variable::of(TM, VariableId(12), "branch.uri").indexed_in_sets(),
        ];
        LIST
    }

    fn globals(&self) -> &[Global] {
        const LIST: &[Global] = &[
            Global::new("log_level", GlobalKind::Int),
            Global::new("xlog_level", GlobalKind::Int),
            Global::new("xlog_buf_size", GlobalKind::Int),
            Global::new("pv_print_buf_size", GlobalKind::Int),
            Global::new("max_while_loops", GlobalKind::Int),
            Global::new("enable_asserts", GlobalKind::Bool),
            Global::new("auto_aliases", GlobalKind::Bool),
            Global::new("server_header", GlobalKind::Str),
            Global::new("udp_workers", GlobalKind::Int),
            Global::new("advertised_address", GlobalKind::Ident),
            Global::new("socket", GlobalKind::Any),
            Global::obsolete("children", "`udp_workers`"),
            Global::new("mhomed", GlobalKind::Bool).planned(),
        ];
        LIST
    }

    fn parameters(&self) -> &[Parameter] {
        const LIST: &[Parameter] = &[
            Parameter::new(TM, "fr_timeout", ParameterKind::Int),
            Parameter::new(TM, "name", ParameterKind::Str),
            Parameter::new(RR, "append_fromtag", ParameterKind::Int),
            Parameter::new(RR, "name", ParameterKind::Str),
        ];
        LIST
    }

    fn transformations(&self) -> &[Transformation] {
        const LIST: &[Transformation] = &[
            Transformation::new(TransformId(1), "uri", "user", 0),
            Transformation::new(TransformId(2), "nameaddr", "uri", 0).indexed(),
        ];
        LIST
    }
}

/// Remembers what the script did, one line each.
#[derive(Default)]
pub struct World {
    pub ru: String,
    pub avps: AvpList,
    pub said: Vec<String>,
    pub flags: u32,
    pub errors: u32,
    pub error_next: bool,
}

impl World {
    pub fn new() -> Self {
        Self { ru: "sip:bob@example.com".to_owned(), ..Self::default() }
    }
}

impl Host for World {
    fn call(&mut self, function: FunctionId, args: &mut Args<'_>) -> Called {
        let text = |at| args.str(at).map(|t| String::from_utf8_lossy(t).into_owned());
        match function {
            CODE => {
                let code = args.int(0).unwrap();
                self.said.push(format!("code {code}"));
                if code == -77 {
                    self.error_next = true;
                }
                return Called::Value(code);
            }
            SETFLAG => self.flags |= 1 << args.flag(0).unwrap(),
            SAY => self.said.push(format!("say {:?} {:?} {:?}", text(0), args.int(1), text(2))),
            FETCH => {
                let key = args.str(0).unwrap().to_vec();
                if args.store(self, 1, Value::Str(&key)).is_err() {
                    return Called::Value(-1);
                }
            }
            WAIT if args.int(0) == Some(0) => return Called::Value(7),
            WAIT => return Called::Park,
            SEARCH => {
                let found = args.regex(0).unwrap().is_match(self.ru.as_bytes());
                return Called::Value(if found { 1 } else { -1 });
            }
            ACROSS => {
                let found = args.regex(0).unwrap().is_match(self.ru.as_bytes());
                return Called::Value(if found { 1 } else { -1 });
            }
            SWAP => {
                let swap = args.substitution(0).unwrap();
                let Some((text, count)) = swap.apply(self.ru.as_bytes(), 100) else {
                    return Called::Value(-1);
                };
                self.ru = String::from_utf8_lossy(&text).into_owned();
                return Called::Value(if count > 0 { count as i32 } else { -1 });
            }
            ON_FAILURE => self.said.push(format!("on_failure {}", args.route(0).is_some())),
            other => self.said.push(format!("function {}", other.0)),
        }
        Called::Value(1)
    }

    fn launch(&mut self, _: FunctionId, _: &mut Args<'_>, launch: Launch<'_>) -> i32 {
        let text = launch.text.map(|t| String::from_utf8_lossy(t).into_owned());
        self.said.push(format!("launch {} {text:?}", launch.report.is_some()));
        1
    }

    fn read(&mut self, var: &VarAccess<'_>, out: &mut Text) -> Reading {
        match var.id.0 {
            1 => out.push(self.ru.as_bytes()),
            2 => return self.avps.read(var, out),
            3 => out.push(b"10.1.2.3"),
            4 => {
                out.push(var.name.unwrap());
                if let Index::At(n) = var.index {
                    if n > 2 {
                        return Reading::Null;
                    }
                    out.push_int(i64::from(n));
                }
            }
            11 => out.push(var.name.unwrap()),
            12 => match var.index {
                Index::At(n @ 3..) | Index::AtActive(n @ 2..) => {
                    assert!(n < 4, "a loop ends at the first NULL");
                    return Reading::Null;
                }
                index => out.push(format!("{index:?}").as_bytes()),
            },
            6 => {
                out.push(b"5060");
                return Reading::StrInt(5060);
            }
            9 => return Reading::Int((self.flags >> var.key.unwrap() & 1) as i32),
            _ => return Reading::Null,
        }
        Reading::Str
    }

    fn write(
        &mut self,
        var: &VarAccess<'_>,
        how: Assign,
        value: Value<'_>,
    ) -> Result<(), WriteError> {
        match var.id.0 {
            1 => match value.to_bytes() {
                Some(text) => self.ru = String::from_utf8_lossy(&text).into_owned(),
                None => return Err(WriteError::NotNull),
            },
            2 => return self.avps.write(var, how, value),
            _ => return Err(WriteError::ReadOnly),
        }
        Ok(())
    }

    fn transform(&mut self, transform: &TransformCall<'_>, out: &mut Text) -> Reading {
        out.push(b"<");
        out.push(transform.input);
        out.push(b">");
        if let Some(n) = transform.index {
            out.push_int(i64::from(n));
        }
        Reading::Str
    }

    fn catalog(&self) -> Option<&dyn Catalog> {
        Some(&Shop)
    }

    fn log(&mut self, line: LogLine<'_>) {
        let text = String::from_utf8_lossy(line.text);
        self.said.push(match line.source {
            LogSource::Xlog => format!("{text}"),
            source => format!("{source:?}:{:?}:{}: {text}", line.level, line.place.line),
        });
    }

    fn error_raised(&mut self) -> bool {
        std::mem::take(&mut self.error_next)
    }

    fn assert_failed(&mut self, text: &[u8]) {
        self.said.push(format!("assert {}", String::from_utf8_lossy(text)));
    }
}

pub fn load(text: &str) -> Script {
    match Script::load("test.cfg", text, &Shop) {
        Ok((script, _)) => script,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

/// Runs a whole file from its default route: what was said, and how it ended.
pub fn play(text: &str) -> (Vec<String>, Finish) {
    let script = load(text);
    let mut world = World::new();
    let mut machine = Machine::new();
    let route = script.program.route(RouteKind::Request, "0").unwrap();
    machine.start(&script.program, route);
    match machine.resume(&script.program, &mut world) {
        Outcome::Done(finish) => (world.said, finish),
        Outcome::Park => panic!("parked"),
    }
}

/// Runs statements in the default route; what was said, joined.
pub fn run(statements: &str) -> String {
    play(&format!("route {{\n{statements}\n}}")).0.join(" | ")
}

/// Whether a condition is true.
pub fn truth(setup: &str, condition: &str) -> bool {
    let text = run(&format!("{setup} if ({condition}) xlog(\"T\"); else xlog(\"F\");"));
    text.ends_with('T')
}

/// Each mistake and warning stands somewhere in the text, or at its end, and can be shown.
pub fn have_places(text: &str, told: &Diagnostics) {
    let lines = text.split('\n').count() as u32;
    for one in told.list() {
        let (from, to) = ((one.line, one.column), (one.end_line, one.end_column));
        assert!(!one.file.is_empty() && !one.message.is_empty(), "{one:?}");
        assert!((1..=lines).contains(&one.line) && one.column > 0, "{one:?} in {lines} lines");
        assert!(from <= to && one.end_line <= lines, "{one:?} in {lines} lines");
    }
    let shown = told.render(false);
    assert!(
        told.list().iter().all(|one| shown.contains(&format!("{}:{}", one.file, one.line))),
        "{shown}"
    );
}
