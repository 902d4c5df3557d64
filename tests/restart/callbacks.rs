//! What modules hear of the store: LOADED, WRITE_VP, SAVED (spec/dialog.md §3).

use std::sync::Mutex;

use duologue::dialog::{DialogEvents, Dialogs, Event};

use super::realtime;
use crate::place::Place;
use crate::world::{self, answered};

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn hear(what: impl Into<String>) {
    HEARD.lock().unwrap().push(what.into());
}

fn heard() -> Vec<String> {
    std::mem::take(&mut HEARD.lock().unwrap())
}

fn listen(dialogs: &Dialogs) {
    dialogs.on_created(|event| follow(event.dialog()));
    dialogs.on_loaded(|event| {
        let stored = event.dialog().fetch_value("written").unwrap();
        hear(format!("loaded with {}", if stored.is_some() { "value" } else { "nothing" }));
        follow(event.dialog());
    });
}

fn follow(dialog: &duologue::dialog::Dialog) {
    let events = DialogEvents::WRITE_VALUES | DialogEvents::SAVED | DialogEvents::TERMINATED;
    let all = events | DialogEvents::DESTROY;
    dialog
        .on(all, |event| match event {
            Event::WriteValues(_) => {
                hear("write");
                event.dialog().store_value("written", 1).unwrap();
            }
            Event::Saved(saved) => hear(format!("saved {:?}", saved.kind)),
            Event::Terminated(_) => hear("terminated"),
            Event::Destroy(_) => hear("destroy"),
            _ => {}
        })
        .unwrap();
}

// in the order of what happens: asked before, told behind; DESTROY waits until the row is removed
#[test]
fn modules_hear_in_order() {
    let mut place = Place::with("callbacks", realtime(""), listen);
    answered(&place.world, &place.alice, &place.bob);
    assert!(heard().is_empty());
    place.writes();
    place.writes();
    place.writes();
    assert_eq!(heard(), ["write", "saved Insert"]);
    place.restart();
    assert_eq!(heard(), ["loaded with value"]);
    place.alice.reinvites();
    place.world.settle();
    place.writes();
    place.writes();
    place.writes();
    assert_eq!(heard(), ["write", "saved Update"]);
    place.alice.hangs_up();
    place.world.settle();
    assert_eq!(heard(), ["terminated"]);
    place.writes();
    assert_eq!(heard(), ["saved Delete"]);
    place.world.run_for(world::CALL_FORGOTTEN);
    assert_eq!(heard(), ["destroy"]);
    // the end in good order asks and tells as well, where no call runs any more
    answered(&place.world, &place.alice, &place.bob);
    place.restart_gently();
    assert_eq!(heard(), ["write", "saved Insert", "loaded with value"]);
}
