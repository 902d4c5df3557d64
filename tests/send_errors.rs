//! What the kernel refuses to send: the branch fails with a 477 of our own.

mod world;

use world::{CAROL, cast, forgotten, forking, plain, script_to};

const BOB: &str = "10.0.0.12:5060";

// spec/modules.md §1.3: `477 Send failed (477/TM)`; the caller does not wait for a time-out.
#[test]
fn the_caller_hears_of_it_at_once() {
    let (world, alice, proxy, bob) = cast(1, &plain());
    proxy.borrow().wire.cut(BOB.parse().unwrap());
    alice.invite(&bob);
    world.settle();
    assert_eq!(bob.count(""), 0);
    assert_eq!(alice.final_status(), Some(477));
    assert_eq!(proxy.borrow().node.dialogs.statistics().failed_dialogs, 1);
    forgotten(&world, &proxy);
}

#[test]
fn the_failure_route_may_go_elsewhere() {
    let rest = r#"
        failure_route[next] {
            if (t_check_status("477")) {
                $ru = "sip:carol@10.0.0.13:5060";
                t_relay();
            }
        }
    "#;
    let (world, alice, proxy, bob) = cast(2, &script_to("", "t_on_failure(\"next\");", rest));
    let carol = world.agent("carol");
    proxy.borrow().wire.cut(BOB.parse().unwrap());
    alice.invite(&bob);
    world.settle();
    carol.answers();
    world.settle();
    assert_eq!(alice.final_status(), Some(200));
    carol.hangs_up();
    forgotten(&world, &proxy);
}

// RFC 3261 §16.7 step 6: what somebody said is better than that nobody could be asked.
#[test]
fn another_branch_is_heard_before_it() {
    let (world, alice, proxy, bob) = cast(3, &forking(&[CAROL]));
    let carol = world.agent("carol");
    proxy.borrow().wire.cut(BOB.parse().unwrap());
    alice.invite(&bob);
    world.run_for(std::time::Duration::from_millis(100));
    assert_eq!(alice.final_status(), None);
    carol.rejects(503);
    world.settle();
    assert_eq!(alice.final_status(), Some(500));
    forgotten(&world, &proxy);
}
