//! Long lists in slices and pages (spec dialog.md §13.1).

mod support;

use duologue_dialog::*;
use support::World;

/// All that is listed from here on, `slice` at a time.
fn listed(table: &Dialogs, mut cursor: Option<Cursor>, slice: usize) -> Vec<DialogId> {
    let mut all = Vec::new();
    while let Some(at) = cursor {
        cursor = table.list(at, slice, &mut all);
    }
    all.into_iter().map(|snapshot| snapshot.id).collect()
}

// §13.1: a page is what the whole list shows at that place, with gaps in the table or without
#[test]
fn pages_are_parts_of_the_list() {
    let mut world = World::new();
    let dialogs: Vec<_> = (0..900).map(|n| world.answered(&format!("call-{n}"))).collect();
    for dialog in dialogs.iter().step_by(3) {
        world.request(dialog, DialogMethod::Bye, 11, "a", "b");
    }
    let table = &world.dialogs;
    let all = listed(table, Some(Cursor::default()), 7);
    assert_eq!(all.len(), 600);
    for first in [0, 1, 18, 19, 20, 300, 599] {
        let page = listed(table, table.skip(Cursor::default(), first), 50);
        assert_eq!(page, all[first..], "behind {first}");
    }
    assert_eq!(table.skip(Cursor::default(), 600), None);
    assert_eq!(table.skip(Cursor::default(), usize::MAX), None);
    let half = table.skip(Cursor::default(), 300).unwrap();
    assert_eq!(listed(table, table.skip(half, 100), 64), all[400..]);
}
