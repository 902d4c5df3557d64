//! A script in place of one that runs (spec/script.md §15.4, `reload_routes`).

mod common;

use common::*;
use duologue_script::*;

fn said(program: &Program, route: RouteId) -> String {
    let mut world = World::new();
    let mut machine = Machine::new();
    machine.start(program, route);
    machine.resume(program, &mut world);
    world.said.join(" ")
}

fn reloaded(running: &Script, text: &str) -> Result<Script, Diagnostics> {
    reload(running, text).map(|reloaded| reloaded.script)
}

fn reload(running: &Script, text: &str) -> Result<Reloaded, Diagnostics> {
    struct One<'a>(&'a str);
    impl Sources for One<'_> {
        fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
            Ok(self.0.to_owned())
        }
    }
    Script::reload("again", &One(text), &Shop, (&running.setup, &running.program))
}

// who kept a number (an armed failure route, a dialog's on-timeout route) means the new block
#[test]
fn blocks_keep_their_numbers_by_name() {
    let first = load("route { route(b); } route[a] { xlog(\"a\"); } route[b] { xlog(\"b\"); }");
    let number = |name: &str| first.program.route(RouteKind::Request, name).unwrap().number();
    let (a, b, main) = (number("a"), number("b"), number("0"));
    let text = "route[c] { xlog(\"c\"); } route[b] { xlog(\"B\"); } route { route(c); route(b); }";
    let second = reloaded(&first, text).unwrap();
    let block = |number: u32| second.program.route_numbered(number);
    assert_eq!(block(a), None, "nobody has it any more");
    assert_eq!(said(&second.program, block(b).unwrap()), "B");
    assert_eq!(said(&second.program, block(main).unwrap()), "c B");
    let names: Vec<_> = second.program.routes().map(|(_, route)| route.name.as_str()).collect();
    assert_eq!(names, ["0", "b", "c"]);
    // it comes back under the number that it had
    let third = reloaded(&second, "route { } route[a] { xlog(\"again\"); }").unwrap();
    assert_eq!(said(&third.program, third.program.route_numbered(a).unwrap()), "again");
}

// a run of a block that is gone ends at once
#[test]
fn a_block_that_is_gone_has_no_effect() {
    let first = load("route { } failure_route[f] { xlog(\"f\"); }");
    let gone = first.program.route(RouteKind::Failure, "f").unwrap();
    let second = reloaded(&first, "route { xlog(\"r\"); }").unwrap();
    assert_eq!(said(&second.program, gone), "");
    assert!(second.program.route_info(gone).is_none());
    let told = reloaded(&first, "route { t_on_failure(\"f\"); }").err().unwrap();
    assert_eq!(told.errors(), 1, "it cannot be armed");
}

#[test]
fn flags_keep_their_bits() {
    let first = load("route { setflag(\"one\"); setflag(\"two\"); }");
    let second = reloaded(&first, "route { setflag(\"three\"); setflag(\"two\"); }").unwrap();
    let bits = ["one", "two", "three"].map(|name| second.program.flag(FlagKind::Message, name));
    assert_eq!(bits, [Some(0), Some(1), Some(2)]);
}

#[test]
fn mistakes_are_told_as_at_the_first_time() {
    let first = load("route[a] { } route { route(a); }");
    let told = reloaded(&first, "route { route(a); nonsense(); }").err().unwrap();
    assert_eq!(told.errors(), 2, "{}", told.render(false));
    let twice = reloaded(&first, "route { } route[a] { } route[a] { }").err().unwrap();
    assert!(twice.render(false).contains("is redefined"));
}

fn told(reloaded: &Reloaded) -> Vec<String> {
    reloaded.pending.iter().map(Pending::to_string).collect()
}

// what is not a route counts from the next start on, and nothing of it is passed over in silence
#[test]
fn what_takes_a_restart_is_named_with_its_place() {
    let first = load(
        "loadmodule \"tm.so\"\nlog_level = 2\nmodparam(\"tm\", \"fr_timeout\", 3)\n\
         socket = udp:127.0.0.1:5060\nalias = a.example\nmax_while_loops = 3\nroute { exit; }",
    );
    let same = reload(
        &first,
        "alias = a.example\n\n# moved, not changed\nlog_level = 2\nmax_while_loops = 3\n\
         loadmodule \"tm.so\"\nmodparam(\"tm\", \"fr_timeout\", 3)\nsocket = udp:127.0.0.1:5060\n\
         route { exit; }",
    );
    assert_eq!(told(&same.unwrap()), [] as [String; 0]);
    let other = reload(
        &first,
        "loadmodule \"tm.so\"\nloadmodule \"rr.so\"\nmodparam(\"tm\", \"fr_timeout\", 4)\n\
         socket = udp:127.0.0.1:5060\nsocket = udp:127.0.0.1:5062\nalias = b.example\n\
         xlog_level = 1\nlog_level = 2\nroute { exit; }",
    );
    let other = other.unwrap();
    assert_eq!(
        told(&other),
        [
            "again:2: loadmodule \"rr.so\" is new: it has no effect before a restart",
            "again:7: `xlog_level` is new: it has no effect before a restart",
            "again:5: `socket` is new: it has no effect before a restart",
            "again:6: `alias` is changed: the old value stays in force until a restart",
            "again:3: modparam(\"tm\", \"fr_timeout\", …) is changed: the old value stays in force \
             until a restart",
            "test.cfg:6: `max_while_loops` is gone: it stays in force until a restart",
        ]
    );
    // The next one is compared with what is in force, not with what was read last.
    assert_eq!(told(&reload(&other.script, "route { exit; }").unwrap()).len(), 6);
}

#[test]
fn one_more_in_a_list_is_one_more() {
    let with = |list: &[i32]| {
        let lines = list.iter().map(|n| format!("modparam(\"tm\", \"fr_timeout\", {n})\n"));
        format!("loadmodule \"tm.so\"\n{}route {{ exit; }}", lines.collect::<String>())
    };
    let first = load(&with(&[1, 2]));
    let changes = |list: &[i32]| -> Vec<(Change, u32)> {
        let reloaded = reload(&first, &with(list)).unwrap();
        reloaded.pending.iter().map(|it| (it.change, it.location.line)).collect()
    };
    assert_eq!(changes(&[0, 1, 2]), [(Change::New, 2)]);
    assert_eq!(changes(&[1, 0, 2]), [(Change::New, 3)]);
    assert_eq!(changes(&[1]), [(Change::Gone, 3)]);
    // The last one counts: another order is another value.
    assert_eq!(changes(&[2, 1]), [(Change::Changed, 2), (Change::Changed, 3)]);
}

// the machine's own settings stay, too
#[test]
fn settings_of_the_machine_stay_in_force() {
    let text = |loops: u32, asserts: &str| {
        format!(
            "max_while_loops = {loops}\nenable_asserts = {asserts}\n\
             route {{ while (1) xlog(\"r\"); assert($var(i) == 1); xlog(\"e\"); }}"
        )
    };
    let first = load(&text(3, "no"));
    let second = reloaded(&first, &text(5, "yes")).unwrap();
    let main = second.program.route(RouteKind::Request, "0").unwrap();
    let lines = said(&second.program, main);
    assert!(lines.starts_with("r r r Machine:") && lines.ends_with('e'), "{lines}");
}

// a module that was not there at the start does not run
#[test]
fn names_of_a_module_that_does_not_run_are_mistakes() {
    let first = load("loadmodule \"rr.so\"\nroute { exit; }");
    let with = |statement: &str| {
        format!("loadmodule \"rr.so\"\nloadmodule \"tm.so\"\nroute {{ {statement} }}")
    };
    for statement in ["t_relay();", "xlog(\"$T_branch_idx\");", "async(wait(1), later);"] {
        let told = reload(&first, &with(statement)).unwrap_err().render(false);
        assert!(told.contains("`tm` was not loaded when the proxy started"), "{told}");
        assert!(told.contains("again:3"), "{told}");
    }
    assert_eq!(reload(&first, &with("loose_route();")).unwrap().pending.len(), 1);
    // The modules in force are those of the start, named by the new script or not.
    let less = reloaded(&first, "route { exit; }").unwrap();
    assert!(less.program.has_module("rr") && !less.program.has_module("tm"));
}
