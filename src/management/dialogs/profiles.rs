//! Profiles: who is in them, and who shall be (spec/dialog.md §9, §13).

use std::collections::HashSet;
use std::sync::Arc;

use duologue_dialog::{
    Dialog, DialogId, LinkOrigin, Profile, ProfileCursor, ProfileKind, ProfileValue, Sharing,
    Snapshot,
};
use duologue_management::{Answer, Command, CommandError, Params, json_text};
use duologue_server::Node;
use duologue_server::call::Ending;
use duologue_server::intents::end_dialog;
use serde_json::{Map, Value, json};

use super::ending::REASON;
use super::list::SLICE;
use super::{Maker, find};
use crate::management::listing;

const OF_PROFILE: &[&[&str]] = &[&["profile"], &["profile", "value"]];

pub(super) fn commands(command: Maker<'_>) -> Vec<Command> {
    vec![
        command("dialog:profile_get_size", "tells how many are in a profile", size)
            .alias("profile_get_size")
            .reads()
            .signatures(OF_PROFILE),
        command("dialog:profile_list_dlgs", "lists the dialogs that are in a profile", list)
            .alias("profile_list_dlgs")
            .reads()
            .signatures(OF_PROFILE),
        command("dialog:profile_get_values", "lists a profile's values and their sizes", values)
            .alias("profile_get_values")
            .reads()
            .signatures(&[&["profile"]]),
        command("dialog:profile_end_dlgs", "ends the dialogs that are in a profile", end)
            .alias("profile_end_dlgs")
            .signatures(OF_PROFILE),
        command("dialog:list_all_profiles", "lists the profiles", all)
            .alias("list_all_profiles")
            .reads(),
        // Decision D22: the parameter goes by both of its names.
        command("dialog:set_profile", "puts a dialog into a profile", set)
            .alias("dlg_set_profile")
            .alias("set_dlg_profile")
            .also_named("DID", "dlg_id")
            .signatures(&[
                &["dlg_id", "profile"],
                &["dlg_id", "profile", "value"],
                &["dlg_id", "profile", "value", "clear_values"],
            ]),
        command("dialog:unset_profile", "takes a dialog out of a profile", unset)
            .alias("dlg_unset_profile")
            .alias("unset_dlg_profile")
            .also_named("DID", "dlg_id")
            .signatures(&[&["dlg_id", "profile"], &["dlg_id", "profile", "value"]]),
    ]
}

fn named(node: &Node, params: &Params) -> Result<Profile, CommandError> {
    let profile = node.dialogs.search_profile(&params.text("profile")?);
    profile.ok_or_else(|| CommandError::new(404, "Profile not found"))
}

fn size(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let profile = named(node, params)?;
    let value = params.optional_text("value")?;
    let count = profile.size(value.as_ref().map(String::as_bytes));
    let mut told = Map::new();
    told.insert("name".to_owned(), profile.name().into());
    told.insert("value".to_owned(), value.into());
    told.insert("count".to_owned(), count.into());
    tell_sharing(&mut told, profile.sharing());
    Ok(json!({ "Profile": told }).into())
}

/// With whom it is counted; lists print names without their suffix (decision D14).
fn tell_sharing(told: &mut Map<String, Value>, sharing: Sharing) {
    let yes_or_no = |yes| if yes { "yes" } else { "no" };
    told.insert("shared".to_owned(), yes_or_no(sharing == Sharing::Store).into());
    told.insert("replicated".to_owned(), yes_or_no(sharing == Sharing::Cluster).into());
}

fn list(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let members = Members::of(named(node, params)?, params.optional_text("value")?);
    let node = Arc::clone(node);
    let told = members.map(move |(_, snapshot)| listing::dialog(&node, &snapshot));
    Ok(Answer::listing(Map::new(), "Dialogs", told))
}

fn values(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let profile = named(node, params)?;
    if profile.sharing() == Sharing::Store {
        return Err(CommandError::new(405, "Unsupported command for shared profiles"));
    }
    if profile.kind() == ProfileKind::NoValue {
        return Ok(json!([{ "value": null, "count": profile.size(None) }]).into());
    }
    let rows = Sliced::new(move |cursor, into| profile.values(cursor, SLICE, into));
    let told = |row: ProfileValue| json!({ "value": json_text(&row.value), "count": row.count });
    Ok(Answer::array(rows.map(told)))
}

/// Those that cannot be ended, since they have ended by themselves, are passed over.
fn end(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    for (dialog, _) in Members::of(named(node, params)?, params.optional_text("value")?) {
        end_dialog(node, &dialog, REASON, Ending::default());
    }
    Ok(Answer::ok())
}

fn all(node: &Arc<Node>, _: &Params) -> Result<Answer, CommandError> {
    let told = node.dialogs.profiles().into_iter().map(|profile| {
        let mut told = Map::new();
        told.insert("name".to_owned(), profile.name().into());
        told.insert("has value".to_owned(), (profile.kind() == ProfileKind::Value).into());
        tell_sharing(&mut told, profile.sharing());
        Value::Object(told)
    });
    Ok(json!({ "Profiles": told.collect::<Value>() }).into())
}

fn set(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let (dialog, profile) = (of_params(node, params)?, named(node, params)?);
    let value = params.optional_text("value")?;
    let value = value.as_ref().map(String::as_bytes);
    let set = if params.has("clear_values") && params.flag("clear_values")? {
        dialog.replace_profile(&profile, value, LinkOrigin::Own)
    } else {
        dialog.set_profile(&profile, value, LinkOrigin::Own)
    };
    match set {
        Ok(()) => Ok(Answer::ok()),
        Err(why) => Err(CommandError::new(403, "Operation failed").with_data(why.to_string())),
    }
}

fn unset(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let (dialog, profile) = (of_params(node, params)?, named(node, params)?);
    let value = params.optional_text("value")?;
    let unset = dialog.unset_profile(&profile, value.as_ref().map(String::as_bytes));
    if unset.unwrap_or_default() > 0 {
        return Ok(Answer::ok());
    }
    Err(CommandError::new(403, "Operation failed").with_data("the dialog is not in the profile"))
}

fn of_params(node: &Node, params: &Params) -> Result<Dialog, CommandError> {
    let dialog = find(node, &params.text("dlg_id")?);
    dialog.ok_or_else(|| CommandError::new(404, "Dialog Not Found"))
}

/// The dialogs that are in a profile, each once, whatever values they have.
struct Members {
    profile: Profile,
    rows: Sliced<Dialog>,
    any_value: bool,
    /// Those with several values that were told already.
    told: HashSet<DialogId>,
}

impl Members {
    fn of(profile: Profile, value: Option<String>) -> Self {
        let any_value = value.is_none() && profile.kind() == ProfileKind::Value;
        let of = profile.clone();
        let rows = Sliced::new(move |cursor, into| {
            of.dialogs(value.as_ref().map(String::as_bytes), cursor, SLICE, into)
        });
        Self { profile, rows, any_value, told: HashSet::new() }
    }

    fn is_new(&mut self, dialog: &Snapshot) -> bool {
        let links = dialog.profiles.iter().filter(|link| {
            *link.name == *self.profile.name() && link.sharing == self.profile.sharing()
        });
        !self.any_value || links.count() < 2 || self.told.insert(dialog.id)
    }
}

impl Iterator for Members {
    type Item = (Dialog, Snapshot);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let dialog = self.rows.next()?;
            // One that is gone by now is not in it any more.
            let Ok(snapshot) = dialog.snapshot() else { continue };
            if !snapshot.state.is_ended() && self.is_new(&snapshot) {
                return Some((dialog, snapshot));
            }
        }
    }
}

/// Rows that come in slices.
struct Sliced<T> {
    next: Option<ProfileCursor>,
    more: More<T>,
    rows: std::vec::IntoIter<T>,
}

/// Appends a slice and says where the next begins.
type More<T> = Box<dyn Fn(ProfileCursor, &mut Vec<T>) -> Option<ProfileCursor> + Send>;

impl<T> Sliced<T> {
    fn new(
        more: impl Fn(ProfileCursor, &mut Vec<T>) -> Option<ProfileCursor> + Send + 'static,
    ) -> Self {
        let rows = Vec::new().into_iter();
        Self { next: Some(ProfileCursor::default()), more: Box::new(more), rows }
    }
}

impl<T> Iterator for Sliced<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(row);
            }
            let cursor = self.next.take()?;
            let mut rows = Vec::with_capacity(SLICE);
            self.next = (self.more)(cursor, &mut rows);
            self.rows = rows.into_iter();
        }
    }
}
