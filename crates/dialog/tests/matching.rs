//! Matching of requests within a dialog, spec dialog.md §4.4.

mod support;

use duologue_dialog::*;
use support::World;

fn facts<'a>(call_id: &'a str, from: &'a str, to: &'a str, did: Option<&'a str>) -> MatchFacts<'a> {
    MatchFacts {
        call_id: call_id.as_bytes(),
        from_tag: from.as_bytes(),
        to_tag: to.as_bytes(),
        did: did.map(str::as_bytes),
    }
}

// §4.4: the tight match decides direction and destination leg
#[test]
fn the_tight_match() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let did = dialog.id().to_string();
    let find = |call_id, from, to| {
        world
            .dialogs
            .match_request(&facts(call_id, from, to, Some(&did)), MatchMode::DidOnly)
            .map(|m| (m.direction, m.dst_leg))
    };
    assert_eq!(find("call", "a", "b"), Ok((Direction::Downstream, 1)));
    assert_eq!(find("call", "b", "a"), Ok((Direction::Upstream, 0)));
    assert_eq!(find("call", "a", "B"), Err(NoMatch::TightMatchFailed), "byte-exact");
    assert_eq!(find("call", "x", "a"), Err(NoMatch::TightMatchFailed));
    assert_eq!(find("other", "a", "b"), Err(NoMatch::TightMatchFailed));
    assert_eq!(find("call", "a", ""), Err(NoMatch::Initial), "no To-tag: never");
}

// §4.4: if no callee leg was created yet, an empty tag on that side is accepted
#[test]
fn before_any_branch_an_empty_tag_fits() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::empty());
    assert!(world.matched(&dialog, "", "a").is_ok());
    world.branch(&dialog, 1);
    assert_eq!(world.matched(&dialog, "", "a"), Err(NoMatch::TightMatchFailed));
}

// §4.4: the three modes with a did that is absent, malformed, unknown, or of another call
#[test]
fn the_three_modes() {
    use MatchMode::{DidFallback, DidNone, DidOnly};
    let mut world = World::new();
    let dialog = world.answered("call");
    let other = world.answered("other");
    let unknown = DialogId { id: dialog.id().id.wrapping_add(9), ..dialog.id() }.to_string();
    let foreign = other.id().to_string();
    let find = |did: Option<&str>, mode| {
        let found = world.dialogs.match_request(&facts("call", "a", "b", did), mode);
        found.map(|m| assert_eq!(m.key, dialog.key()))
    };
    assert_eq!(find(None, DidOnly), Err(NoMatch::NoDid));
    assert_eq!(find(None, DidFallback), Ok(()));
    assert_eq!(find(None, DidNone), Ok(()));

    for did in ["", "xyz", "1.", "12g.1"] {
        assert_eq!(find(Some(did), DidOnly), Err(NoMatch::MalformedDid));
        assert_eq!(find(Some(did), DidFallback), Err(NoMatch::MalformedDid), "ends matching");
        assert_eq!(find(Some(did), DidNone), Ok(()));
    }
    assert_eq!(find(Some(&unknown), DidOnly), Err(NoMatch::UnknownDid));
    assert_eq!(find(Some(&unknown), DidFallback), Ok(()));
    assert_eq!(find(Some("ffffffff.1"), DidOnly), Err(NoMatch::UnknownDid), "entry out of range");

    assert_eq!(find(Some(&foreign), DidOnly), Err(NoMatch::TightMatchFailed));
    assert_eq!(find(Some(&foreign), DidFallback), Ok(()));
    assert_eq!(find(Some(&foreign), DidNone), Ok(()));
}

// §4.4, §2.4.2: by elements the first created wins; a did picks its own pass of a spiral
#[test]
fn spirals_are_told_apart_by_did() {
    let mut world = World::new();
    let first = world.answered("spiral");
    let second = world.answered("spiral");
    for dialog in [&first, &second] {
        assert_eq!(world.matched(dialog, "a", "b").map(|m| m.key), Ok(dialog.key()));
    }
    let by_elements =
        world.dialogs.match_request(&facts("spiral", "a", "b", None), MatchMode::DidNone);
    assert_eq!(by_elements.map(|m| m.key), Ok(first.key()));
    assert_eq!(world.dialogs.by_callid(b"spiral", None), Some(first.clone()));

    // an ended dialog never shadows a live one
    world.request(&first, DialogMethod::Bye, 11, "a", "b");
    let by_elements =
        world.dialogs.match_request(&facts("spiral", "a", "b", None), MatchMode::DidNone);
    assert_eq!(by_elements.map(|m| m.key), Ok(second.key()));
    // D26: with no live one left, the tombstone routes the challenged BYE
    world.request(&second, DialogMethod::Bye, 11, "a", "b");
    let late = world.dialogs.match_request(&facts("spiral", "a", "b", None), MatchMode::DidNone);
    assert!(late.unwrap().tombstone);
}

// §4.1: look-ups by did, ids, Call-ID with and without From-tag
#[test]
fn look_ups() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let dialogs = &world.dialogs;
    assert_eq!(dialogs.by_did(dialog.id().did().as_bytes()), Some(dialog.clone()));
    assert_eq!(dialogs.by_id(dialog.id()), Some(dialog.clone()));
    assert_eq!(dialogs.by_callid(b"call", Some(b"a")), Some(dialog.clone()));
    assert_eq!(dialogs.by_callid(b"call", Some(b"b")), None);
    assert_eq!(dialogs.by_did(b"call"), None);
    assert_eq!(dialog.id().entry, entry_of(b"call", 4096));
}

// A bound with a name: dialogs of one Call-ID, dialogs of the table
#[test]
fn the_table_is_bounded() {
    let mut world = World::with(Settings { dialogs_max: 70, ..Settings::default() });
    for _ in 0..DIALOGS_PER_CALL_ID_MAX {
        world.call("same");
    }
    let mut steps = Steps::new();
    let mut create = |world: &World, call_id: &str| {
        let facts = support::invite(call_id, "a");
        world.dialogs.create(world.now, &facts, DialogFlags::empty(), &mut steps).map(|_| ())
    };
    assert_eq!(create(&world, "same"), Err(CreateError::TooManyOfCallId));
    for number in 0..6 {
        assert_eq!(create(&world, &number.to_string()), Ok(()));
    }
    assert_eq!(create(&world, "one more"), Err(CreateError::Full));
    assert_eq!(world.dialogs.len(), 70);
}

// §15: match_dialog with mode -1 takes the configured one
#[test]
fn the_configured_mode_is_the_default() {
    for (mode, found) in [(MatchMode::DidOnly, false), (MatchMode::DidNone, true)] {
        let mut world = World::with(Settings { match_mode: mode, ..Settings::default() });
        world.answered("call");
        let matched = world.dialogs.match_request(&facts("call", "a", "b", None), None);
        assert_eq!(matched.is_ok(), found, "{mode:?}");
    }
}

// §15: look-ups, active only or not; §4.3: the parameter's name
#[test]
fn look_ups_active_or_not() {
    let mut world = World::with(Settings { rr_param: "hop".into(), ..Settings::default() });
    let first = world.answered("call");
    let second = world.create("call", "a2", DialogFlags::empty());
    world.dialogs.hold(first.key()).unwrap();
    let table = world.dialogs.clone();
    assert_eq!(table.rr_param(), "hop");
    assert_eq!(table.by_callid(b"call", None), Some(first.clone()));
    assert_eq!(table.by_callid(b"call", Some(b"a2")), Some(second.clone()));
    world.request(&first, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(table.by_callid(b"call", None), Some(second.clone()), "active ones only");
    assert_eq!(table.all_by_callid(b"call"), [first.clone(), second.clone()], "oldest first");
    assert_eq!(table.all_by_callid(b"other"), []);
    for dialog in [&first, &second] {
        assert_eq!(table.by_did(dialog.id().did().as_bytes()).as_ref(), Some(dialog));
        assert_eq!(table.by_id(dialog.id()).as_ref(), Some(dialog));
    }
    assert_eq!((first.is_active(), second.is_active()), (false, true));
    assert_eq!(second.direction_of(b"a2"), Ok(Direction::Downstream));
    assert_eq!(second.direction_of(b"b"), Ok(Direction::Upstream));
}
