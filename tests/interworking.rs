//! Requests of a script's own that bring sides together which do not speak the same
//! (spec/dialog.md §6.6, RFC 3262): PRACKs above all.

mod world;

use std::time::Duration;

use duologue::server::module::Module;
use duologue::{Overrides, Plan};
use duologue_testkit::{Agent, CallState, Served, World};
use world::notes::{NOTE, notes};
use world::{Proxy, answered, forgotten, script_to};

static NOTES: Module = Module { name: "notes", functions: &[NOTE], ..Module::EMPTY };

fn stage(seed: u64, targets: &str, rest: &str) -> (World, Agent, Served<Proxy>, Agent) {
    let script = script_to("loadmodule \"notes.so\"", targets, rest);
    let world = World::seeded(seed);
    let (alice, proxy, bob) = world.three_party(Proxy::with_modules(&script, &[&NOTES]));
    (world, alice, proxy, bob)
}

const ACKNOWLEDGES: &str = r#"
    onreply_route[early] {
        if ($rs =~ "18[03]" && is_present_hf("RSeq")) {
            dlg_send_sequential("PRACK", "callee", , , "X-Ours: yes");
            note("$rs $rc");
        }
    }
"#;

// §6.6, RFC 3262 §7.2: RAck is ours to write; the caller gets a plain provisional
#[test]
fn a_script_acknowledges_for_the_caller() {
    let (world, alice, proxy, bob) = stage(1, "t_on_reply(\"early\");", ACKNOWLEDGES);
    alice.invite(&bob);
    bob.rings_reliably(183);
    world.run_for(Duration::from_millis(200));
    let (prack, invite, early) = (bob.last("PRACK"), bob.last("INVITE"), bob.sent("183"));
    let rseq = early[0].message.header("RSeq").unwrap_or_default();
    let number = invite.cseq().0;
    assert_eq!(prack.header("RAck"), Some(format!("{rseq} {number} INVITE").as_str()));
    assert_eq!((prack.cseq().0, prack.header("X-Ours")), (number + 1, Some("yes")));
    assert!(prack.header("Contact").is_none(), "RFC 3262 §7.1");
    let shown = alice.last("183");
    assert!(shown.header("RSeq").is_none() && shown.header("Require").is_none());
    bob.rings_reliably(180);
    world.run_for(Duration::from_millis(200));
    assert_eq!(bob.count("PRACK"), 2, "the next one too");
    bob.answers();
    world.settle();
    assert_eq!(notes(), ["183 1", "180 1"]);
    assert_eq!(bob.last("ACK").cseq().0, number, "the INVITE's ACK keeps its number");
    alice.requests("INFO");
    world.settle();
    assert_eq!(bob.last("INFO").cseq().0, number + 3);
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// RFC 3262 §4: a provisional that comes again gets no second PRACK, and stays a plain one
#[test]
fn a_repeated_provisional_is_acknowledged_once() {
    let (world, alice, proxy, bob) = stage(2, "t_on_reply(\"early\");", ACKNOWLEDGES);
    alice.invite(&bob);
    // The PRACK is lost; it comes again by itself, and so does the provisional.
    world.lose_next(proxy.to(&bob).only("PRACK"));
    bob.rings_reliably(183);
    world.run_for(Duration::from_secs(2));
    let pracks = bob.received("PRACK");
    let first = pracks.first().map(|it| it.message.cseq());
    assert!(pracks.iter().all(|it| Some(it.message.cseq()) == first), "one PRACK");
    assert!(alice.received("183").iter().all(|it| it.message.header("RSeq").is_none()));
    bob.answers();
    world.settle();
    assert!(notes().iter().all(|it| it == "183 1"));
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// A script that takes the reliability out itself does no harm
#[test]
fn a_script_may_hide_what_was_reliable() {
    let hides = r#"
        onreply_route[early] {
            if (is_present_hf("RSeq")) {
                dlg_send_sequential("PRACK", "callee");
                remove_hf("RSeq");
                remove_hf("Require");
            }
        }
    "#;
    let (world, alice, proxy, bob) = stage(3, "t_on_reply(\"early\");", hides);
    alice.invite(&bob);
    bob.rings_reliably(183);
    world.run_for(Duration::from_millis(200));
    let shown = alice.last("183");
    assert!(shown.header("RSeq").is_none() && shown.header("Require").is_none());
    assert_eq!(bob.count("PRACK"), 1);
    bob.answers();
    world.settle();
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §6.6: where there is nothing to acknowledge, no PRACK is sent
#[test]
fn a_prack_needs_a_reliable_provisional() {
    let targets = r#"
        dlg_send_sequential("PRACK", "callee");
        note("request $rc");
        t_on_reply("each");
    "#;
    let rest = r#"
        onreply_route[each] {
            dlg_send_sequential("PRACK", "callee");
            note("$rs $rc");
            dlg_send_sequential("PRACK", "caller");
            note("$rs $rc");
        }
    "#;
    let (world, alice, proxy, bob) = stage(4, targets, rest);
    answered(&world, &alice, &bob);
    assert_eq!(notes(), ["request -1", "180 -1", "180 -1", "200 -1", "200 -1"]);
    assert_eq!((alice.count("PRACK"), bob.count("PRACK")), (0, 0));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §12.3: without a cluster a tag changes nothing, and the author of the script is told
#[test]
fn a_sharing_tag_without_a_cluster_changes_nothing() {
    let targets = "set_dlg_sharing_tag(\"vip\"); note(\"$rc\");";
    let script = script_to("loadmodule \"notes.so\"", targets, "");
    let plan = Plan::load(world::NAME, &world::Text(&script), &[&NOTES], Overrides::default());
    let warnings = plan.map(|plan| plan.warnings().render(false)).unwrap_or_default();
    assert!(warnings.contains("there is no cluster yet"), "{warnings}");
    let (world, alice, proxy, bob) = stage(5, targets, "");
    answered(&world, &alice, &bob);
    assert_eq!(notes(), ["1"]);
    alice.hangs_up();
    forgotten(&world, &proxy);
}
