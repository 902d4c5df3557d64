//! Handles in other threads while calls live and die: nothing blocks, nobody reads nonsense.
#![allow(clippy::disallowed_methods, reason = "the crate has no threads; its users do")]

mod support;

use duologue_dialog::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use support::World;

#[test]
fn handles_are_used_from_other_threads() {
    const CALLS: usize = 400;
    let table = Dialogs::new(Settings::default(), 3);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let meddlers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut kept: Vec<Dialog> = Vec::new();
                    let mut rounds = 0;
                    while !stop.load(Relaxed) || rounds < 3 {
                        rounds += 1;
                        let mut listed = Vec::new();
                        table.list(Cursor::default(), 64, &mut listed);
                        kept.extend(listed.iter().map(|snapshot| table.handle(snapshot.key)));
                        for dialog in &kept {
                            let _ = dialog.store_value("n", rounds);
                            let _ = dialog.on(DialogEvents::ENDED, |_| {});
                            let _ = dialog.change_user_flags(1, 2);
                            if let Ok(snapshot) = dialog.snapshot() {
                                assert_eq!(snapshot.id, dialog.id());
                            }
                        }
                        kept.truncate(128);
                    }
                })
            })
            .collect();
        for worker in 0..2 {
            let (table, stop) = (&table, &stop);
            let runner = scope.spawn(move || {
                let mut world = World::over(table.clone());
                for number in 0..CALLS {
                    let dialog = world.answered(&format!("call-{worker}-{number}"));
                    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
                    assert_eq!(dialog.state(), Err(Gone));
                }
            });
            if worker == 1 {
                runner.join().unwrap();
                stop.store(true, Relaxed);
            }
        }
        drop(meddlers);
    });
    table.audit().unwrap();
    assert!(table.is_empty());
    assert_eq!(table.statistics().processed_dialogs, 2 * CALLS as u64);
}
