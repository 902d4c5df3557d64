//! Bodies that scripts change: what each side was told is what pings tell it again, and what
//! listings show (spec/dialog.md §1.2, §6.4, §13.1, §14.1).
#![allow(clippy::unwrap_used)] // An error is a failed test.

mod world;

use std::time::Duration;

use duologue::dialog::{Dialog, Snapshot};
use duologue_testkit::{Agent, Served};
use world::{CAROL, Proxy, answered, cast, forgotten, script_to};

/// Every body says on its way which place of the script has seen it.
const SETTINGS: &str = r#"
    loadmodule "textops.so"
    modparam("dialog", "reinvite_ping_interval", 40)
"#;

fn script(targets: &str, rest: &str) -> String {
    let targets = format!("replace_body(\"s=-\", \"s=offer\"); {targets}");
    script_to(SETTINGS, &targets, rest).replace("create_dialog()", "create_dialog(\"Rr\")")
}

fn snapshot(proxy: &Served<Proxy>, alice: &Agent) -> Snapshot {
    let dialogs = &proxy.borrow().node.dialogs;
    dialogs
        .by_callid(alice.call_id().as_bytes(), None)
        .as_ref()
        .map(Dialog::snapshot)
        .unwrap()
        .unwrap()
}

/// The session name in a body.
fn session(body: &[u8]) -> String {
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix("s=")).unwrap().to_owned()
}

// §1.2, §6.4: the offer is changed on its branch, the answer on its way back
#[test]
fn pings_tell_each_side_what_it_was_told() {
    let targets = "t_on_branch(\"out\"); t_on_reply(\"back\");";
    let rest = r#"
        branch_route[out] { replace_body("t=0 0", "t=0 1"); }
        onreply_route[back] { if (t_check_status("200")) replace_body("s=-", "s=answer"); }
    "#;
    let (world, alice, proxy, bob) = cast(1, &script(targets, rest));
    answered(&world, &alice, &bob);
    let (offer, answer) = (bob.last("INVITE").body, alice.last("200 INVITE").body);
    assert_eq!((session(&offer), session(&answer)), ("offer".into(), "answer".into()));
    assert_ne!(offer, alice.sent("INVITE")[0].message.body, "the branch route changed it too");

    let legs = snapshot(&proxy, &alice).legs;
    assert_eq!(legs[0].body.as_ref().unwrap().bytes(), alice.sent("INVITE")[0].message.body);
    assert_eq!(legs[0].sent_body.as_ref().unwrap().bytes(), answer);
    assert_eq!(legs[1].body.as_ref().unwrap().bytes(), bob.sent("200 INVITE")[0].message.body);
    assert_eq!(legs[1].sent_body.as_ref().unwrap().bytes(), offer);

    world.run_for(Duration::from_secs(41));
    assert_eq!((alice.count("INVITE"), bob.count("INVITE")), (1, 2));
    assert_eq!(bob.last("INVITE").body, offer);
    assert_eq!(alice.last("INVITE").body, answer);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §1.2: each branch of a fork has its own
#[test]
fn the_branch_that_answers_is_told_its_own_offer_again() {
    let targets = format!("append_branch(\"{CAROL}\"); t_on_branch(\"out\");");
    let rest = r#"
        branch_route[out] {
            if ($rU == "carol")
                replace_body("t=0 0", "t=0 9");
        }
    "#;
    let (world, alice, proxy, bob) = cast(2, &script(&targets, rest));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rejects(486);
    carol.rings();
    carol.answers();
    world.settle();
    let changed = |agent: &Agent| agent.last("INVITE").body.windows(5).any(|at| at == b"t=0 9");
    assert_eq!((changed(&bob), changed(&carol)), (false, true));
    world.run_for(Duration::from_secs(41));
    assert_eq!(carol.count("INVITE"), 2);
    assert_eq!(carol.last("INVITE").body, carol.received("INVITE")[0].message.body);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// §1.2: the same within the call, both ways, for whoever speaks first
#[test]
fn a_later_offer_and_its_answer_are_kept_as_they_left() {
    let rest = r#"
        route[within] {
            if (is_method("INVITE|UPDATE")) {
                replace_body("s=-", "s=again");
                t_on_reply("back");
            }
            return;
        }
        onreply_route[back] { replace_body("s=-", "s=yes"); }
    "#;
    let (world, alice, proxy, bob) = cast(3, &script("", rest));
    answered(&world, &alice, &bob);
    bob.reinvites();
    world.settle();
    let (offer, answer) = (alice.last("INVITE").body, bob.last("200 INVITE").body);
    assert_eq!((session(&offer), session(&answer)), ("again".into(), "yes".into()));
    world.run_for(Duration::from_secs(41));
    assert_eq!((alice.last("INVITE").body, bob.last("INVITE").body), (offer, answer));
    assert_eq!((alice.count("INVITE"), bob.count("INVITE")), (2, 2));
    alice.hangs_up();
    forgotten(&world, &proxy);
}
