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
    struct One<'a>(&'a str);
    impl Sources for One<'_> {
        fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
            Ok(self.0.to_owned())
        }
    }
    Script::reload("again", &One(text), &Shop, &running.program).map(|(script, _)| script)
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
