//! Messages that belong to no call, or pretend to: they change nothing and leave nothing.

mod world;

use std::time::Duration;

use duologue_testkit::{CallState, Endpoint, Message};
use world::{answered, cast, forgotten, plain};

// RFC 3261 §12.2.2: Call-ID alone does not make a request part of a dialog; the tags must fit.
#[test]
fn a_bye_with_a_foreign_tag_does_not_end_the_call() {
    let (world, alice, proxy, bob) = cast(1, &plain());
    let mallory = world.agent("mallory");
    answered(&world, &alice, &bob);
    world.tolerate();
    let mut bye = alice.sent("ACK")[0].message.clone();
    let tag = bye.from_tag().to_owned();
    bye.start = bye.start.replace("ACK ", "BYE ");
    for (name, value) in &mut bye.headers {
        match name.as_str() {
            "CSeq" => *value = "99 BYE".to_owned(),
            "From" => *value = value.replace(&tag, "guessed"),
            "Via" => *value = format!("SIP/2.0/UDP {};branch=z9hG4bKmallory", mallory.address()),
            _ => {}
        }
    }
    mallory.sends_raw(&proxy, &bye.to_bytes());
    world.settle();
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 1);
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    world.settle();
    assert_eq!(alice.status_of("BYE"), Some(200));
    forgotten(&world, &proxy);
}

// RFC 3261 §9.2, §16.10: a CANCEL belongs to the INVITE with its branch, or to nothing.
#[test]
fn a_cancel_with_a_foreign_branch_cancels_nothing() {
    let (world, alice, proxy, bob) = cast(2, &plain());
    alice.invite(&bob);
    bob.rings();
    world.settle();
    world.tolerate();
    let mut cancel = alice.sent("INVITE")[0].message.clone();
    cancel.start = cancel.start.replace("INVITE ", "CANCEL ");
    let branch = cancel.branch().to_owned();
    for (name, value) in &mut cancel.headers {
        match name.as_str() {
            "CSeq" => *value = value.replace("INVITE", "CANCEL"),
            "Via" => *value = value.replace(&branch, "z9hG4bKguessed"),
            _ => {}
        }
    }
    alice.sends_raw(&proxy, &cancel.to_bytes());
    world.settle();
    assert_eq!(bob.count("CANCEL"), 0);
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// A BYE that comes once more, as a request of its own, after the dialog has gone: it still finds its
// way, and nothing comes to life again.
#[test]
fn a_bye_after_the_end_still_finds_its_way() {
    let (world, alice, proxy, bob) = cast(3, &plain());
    answered(&world, &alice, &bob);
    alice.hangs_up();
    world.settle();
    world.run_for(Duration::from_secs(10));
    assert_eq!(proxy.borrow().node.dialogs.len(), 0);
    let mut bye = alice.sent("BYE")[0].message.clone();
    let branch = bye.branch().to_owned();
    for (name, value) in &mut bye.headers {
        match name.as_str() {
            "CSeq" => *value = "77 BYE".to_owned(),
            "Via" => *value = value.replace(&branch, "z9hG4bKagain"),
            _ => {}
        }
    }
    world.tolerate();
    alice.sends_raw(&proxy, &bye.to_bytes());
    world.settle();
    assert_eq!(bob.count("BYE"), 2);
    forgotten(&world, &proxy);
    assert_eq!(proxy.borrow().node.dialogs.statistics().processed_dialogs, 1);
}

// RFC 3261 §13.3.1.4: a caller that never acknowledges; the callee ends the call after 64·T1.
#[test]
fn a_call_without_an_ack_can_be_ended() {
    let (world, alice, proxy, bob) = cast(4, &plain());
    alice.withholds_acks();
    alice.invite(&bob);
    bob.answers();
    world.run_for(Duration::from_secs(33));
    assert!(bob.retransmissions("200 INVITE") >= 7);
    // Each repetition travels, the dialog was confirmed but once.
    assert_eq!(alice.repeats("200 INVITE"), bob.retransmissions("200 INVITE"));
    bob.hangs_up_now();
    world.settle();
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 0);
    forgotten(&world, &proxy);
}

// RFC 3261 §16.3 and RFC 4475: what is no SIP is dropped, what nearly is gets a 400 at most.
#[test]
fn noise_changes_nothing() {
    let (world, alice, proxy, bob) = cast(5, &plain());
    answered(&world, &alice, &bob);
    world.tolerate();
    let noise: [&[u8]; 8] = [
        b"",
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"INVITE sip:bob@10.0.0.12 SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"BYE sip:bob@10.0.0.12 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.11;branch=z9hG4bKx\r\n\r\n",
        b"INVITE sip:bob@10.0.0.12 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.11\r\nContent-Length: 9999\r\n\r\n",
        &[0xff; 1400],
    ];
    for bytes in noise {
        alice.sends_raw(&proxy, bytes);
        bob.sends_raw(&proxy, bytes);
    }
    // Every prefix of a real request, too.
    let invite = alice.sent("INVITE")[0].message.to_bytes();
    for end in 0..invite.len() {
        let other = String::from_utf8_lossy(&invite[..end]).replace("Call-ID: ", "Call-ID: x");
        alice.sends_raw(&proxy, other.as_bytes());
    }
    world.settle();
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 1);
    bob.hangs_up();
    world.run_for(Duration::from_secs(200));
    forgotten(&world, &proxy);
}

// RFC 3261 §16.3 step 4: a request that comes back to us unchanged runs out of hops and ends.
#[test]
fn a_call_to_the_proxy_itself_runs_out_of_hops() {
    let (world, alice, proxy, _bob) = cast(6, &plain());
    alice.invite_with("sip:nobody@10.0.0.1:5060", |mut invite| {
        invite.headers.retain(|(name, _)| name != "Max-Forwards");
        invite.with("Max-Forwards", "20")
    });
    world.settle();
    assert_eq!(alice.final_status(), Some(483));
    forgotten(&world, &proxy);
}

// RFC 3261 §16.3 step 4: the same with all the hops that a client gives (§8.1.1.6).
#[test]
fn all_seventy_hops_lead_through_ourselves_before_it_ends() {
    let (world, alice, proxy, _bob) = cast(16, &plain());
    alice.invite_with("sip:nobody@10.0.0.1:5060", |mut invite| {
        invite.headers.retain(|(name, _)| name != "Max-Forwards");
        invite.with("Max-Forwards", "70")
    });
    world.settle();
    assert_eq!(alice.final_status(), Some(483));
    world.run_for(Duration::from_secs(200));
    forgotten(&world, &proxy);
}

// RFC 3261 §17.1.3: a reply from nowhere is dropped, not sent on by its Via.
#[test]
fn a_reply_to_nothing_is_dropped() {
    let (world, alice, proxy, bob) = cast(7, &plain());
    let reply = Message::response(200)
        .with("Via", "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKnone")
        .with("Via", format!("SIP/2.0/UDP {};branch=z9hG4bKalice", alice.address()))
        .with("From", "<sip:alice@10.0.0.11>;tag=1")
        .with("To", "<sip:bob@10.0.0.12>;tag=2")
        .with("Call-ID", "nothing@10.0.0.11")
        .with("CSeq", "1 INVITE");
    bob.sends_raw(&proxy, &reply.to_bytes());
    world.settle();
    assert_eq!(alice.count(""), 0);
    forgotten(&world, &proxy);
}

// RFC 3261 §17.1.1.2: a refusal that comes twice is passed on once.
#[test]
fn a_doubled_final_reply_is_told_once() {
    let (world, alice, proxy, bob) = cast(8, &plain());
    alice.invite(&bob);
    world.duplicate_next(bob.to(&proxy).only("486"));
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.count("486"), 1);
    // Each copy is acknowledged anew.
    assert_eq!(bob.count("ACK") + bob.repeats("ACK"), 2);
    forgotten(&world, &proxy);
}

// RFC 3261 §17.1.1.3: the ACK to a refusal ends at whoever refused, also when it comes late and
// the caller has tried again with the same Call-ID.
#[test]
fn a_late_ack_to_a_refusal_without_state_goes_no_further() {
    let once = r#"if ($hdr(X-Again) == NULL) { sl_send_reply(403, "No"); exit; }"#;
    let script = plain().replace("t_check_trans();\n    if", &format!("{once}\n    if"));
    let (world, alice, proxy, bob) = cast(9, &script);
    world.tolerate();
    world.delay_next(alice.to(&proxy).only("ACK"), Duration::from_millis(300));
    alice.invite(&bob);
    world.run_for(Duration::from_millis(100));
    let mut again = alice.sent("INVITE")[0].message.clone().with("X-Again", "yes");
    let branch = again.branch().to_owned();
    for (name, value) in &mut again.headers {
        match name.as_str() {
            "CSeq" => *value = "2000 INVITE".to_owned(),
            "Via" => *value = value.replace(&branch, "z9hG4bKagain"),
            _ => {}
        }
    }
    alice.sends_raw(&proxy, &again.to_bytes());
    world.run_for(Duration::from_millis(400));
    assert_eq!(alice.count("403"), 1);
    assert_eq!(bob.count("INVITE"), 1);
    assert_eq!(bob.count("ACK"), 0);
    bob.rejects(486);
    forgotten(&world, &proxy);
}
