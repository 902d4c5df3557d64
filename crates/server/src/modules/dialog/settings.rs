//! The parameters of the module (spec/dialog.md §14.4): the engine's settings, and the profiles to
//! begin with.

use duologue_dialog::{
    KeepSdp, LateAnswer, LegTarget, MatchMode, NoAckAction, ProfileDefinition, ProfileError,
    ProfileKind, Settings as Engine, Sharing,
};

use crate::dialogs::EventIds;
use crate::module::{Host, Parameters, Refusal, Settings};
use crate::storage::StorageSettings;

/// What the parameters say.
#[derive(Clone, Debug, Default)]
pub struct DialogSettings {
    /// The engine's settings.
    pub engine: Engine,
    /// `profiles_with_value` and `profiles_no_value`.
    pub profiles: Vec<(ProfileDefinition, ProfileKind)>,
    /// The database.
    pub storage: StorageSettings,
    /// How `E_DLG_STATE_CHANGED` names its dialog.
    pub event_ids: EventIds,
}

/// The longest name of the did parameter (spec/dialog.md §4.3).
const RR_PARAM_MAX: usize = 32;

pub(super) fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let default = Engine::default();
    let mode = parameters.at_least("dlg_match_mode", 1, 0)?;
    let rr_param = parameters.str("rr_param").unwrap_or(&default.rr_param).to_owned();
    if rr_param.is_empty() || rr_param.len() > RR_PARAM_MAX {
        return Err(format!("rr_param must have 1 to {RR_PARAM_MAX} characters"));
    }
    let optional = |name: &str, default: Option<u32>| match parameters.int(name) {
        None => Ok(default),
        Some(0) => Ok(None),
        Some(_) => parameters.at_least(name, 1, 1).map(Some),
    };
    let engine = Engine {
        default_timeout: parameters.at_least("default_timeout", 43_200, 1)?,
        match_mode: MatchMode::from_number(mode)
            .ok_or_else(|| format!("dlg_match_mode must be 0, 1 or 2, not {mode}"))?,
        rr_param,
        early_timeout: optional("early_timeout", default.early_timeout)?,
        noack_timeout: optional("noack_timeout", default.noack_timeout)?,
        noack_action: match parameters.str("noack_action") {
            None | Some("log") => NoAckAction::Log,
            Some("bye") => NoAckAction::Bye,
            Some(other) => {
                return Err(format!("noack_action is \"log\" or \"bye\", not \"{other}\""));
            }
        },
        late_answer: match parameters.str("late_answer") {
            None | Some("relay") => LateAnswer::Relay,
            Some("release") => LateAnswer::Release,
            Some(other) => {
                return Err(format!("late_answer is \"relay\" or \"release\", not \"{other}\""));
            }
        },
        options_ping_interval: parameters.at_least("options_ping_interval", 30, 1)?,
        reinvite_ping_interval: parameters.at_least("reinvite_ping_interval", 300, 1)?,
        ping_failures_max: parameters.at_least("ping_failures_max", 2, 1)?,
        keep_sdp: keep_sdp(parameters)?,
        leg_target: leg_target(parameters)?,
        extra_headers: extra_headers(parameters)?,
        auto_prack_hangup_on_failure: parameters.switch("auto_prack_hangup_on_failure", false),
        auto_prack_fr_timeout: parameters.at_least("auto_prack_fr_timeout", 3, 1)?,
        race_condition_timeout: parameters.at_least("race_condition_timeout", 5, 1)?,
        delete_delay: parameters.at_least("delete_delay", 0, 0)?,
        hash_size: parameters.at_least("hash_size", 4096, 1)?,
        node_id: node_id(parameters)?,
        log_profile_hash_size: parameters.at_least("log_profile_hash_size", 4, 0)?,
        ..default
    };
    let (profiles, event_ids) = (profiles(parameters)?, event_ids(parameters)?);
    let storage = StorageSettings::of(parameters)?;
    Ok(Box::new(DialogSettings { engine, profiles, storage, event_ids }))
}

/// spec/dialog.md §14.2.
fn event_ids(parameters: &Parameters<'_>) -> Result<EventIds, String> {
    let Some(number) = parameters.int("event_id_format") else { return Ok(EventIds::default()) };
    EventIds::from_number(number)
        .ok_or_else(|| format!("event_id_format must be 0, 1 or 2, not {number}"))
}

/// spec/dialog.md §9.1: the profiles that the script defines; a name comes once.
///
/// # Errors
/// A bad name or suffix, or a name that comes twice.
pub(super) fn profiles(
    parameters: &Parameters<'_>,
) -> Result<Vec<(ProfileDefinition, ProfileKind)>, String> {
    let mut profiles = Vec::new();
    for (name, kind) in
        [("profiles_with_value", ProfileKind::Value), ("profiles_no_value", ProfileKind::NoValue)]
    {
        for definition in parameters.all(name).flat_map(ProfileDefinition::all) {
            let definition = definition.map_err(|error| error.to_string())?;
            if profiles.iter().any(|(known, _)| *known == definition) {
                return Err(ProfileError::Duplicate(definition.to_string()).to_string());
            }
            profiles.push((definition, kind));
        }
    }
    Ok(profiles)
}

/// Defines the profiles.
pub(super) fn start(host: &Host<'_>) -> Result<(), Refusal> {
    let dialogs = host.dialogs()?;
    for (definition, kind) in &host.settings::<DialogSettings>().profiles {
        if definition.sharing() != Sharing::Local {
            tracing::warn!("profile {definition} is counted on this node alone");
        }
        dialogs.add_profiles(&definition.to_string(), *kind)?;
    }
    Ok(())
}

fn keep_sdp(parameters: &Parameters<'_>) -> Result<KeepSdp, String> {
    match parameters.str("keep_sdp") {
        None | Some("auto") => Ok(KeepSdp::Auto),
        Some("always") => Ok(KeepSdp::Always),
        Some("never") => Ok(KeepSdp::Never),
        Some(other) => {
            Err(format!("keep_sdp is \"auto\", \"always\" or \"never\", not \"{other}\""))
        }
    }
}

fn leg_target(parameters: &Parameters<'_>) -> Result<LegTarget, String> {
    match parameters.str("leg_target") {
        None | Some("contact") => Ok(LegTarget::Contact),
        Some("flow") => Ok(LegTarget::Flow),
        Some(other) => Err(format!("leg_target is \"contact\" or \"flow\", not \"{other}\"")),
    }
}

/// spec/dialog.md §6.4: lines of BYEs, verbatim.
fn extra_headers(parameters: &Parameters<'_>) -> Result<Box<[u8]>, String> {
    let lines = parameters.str("dlg_extra_hdrs").unwrap_or_default().as_bytes();
    if duologue_dialog::are_header_lines(lines) {
        Ok(lines.into())
    } else {
        Err("each line of dlg_extra_hdrs ends in \\r\\n".to_owned())
    }
}

/// Which of several nodes this is: 0 to 255, or none.
fn node_id(parameters: &Parameters<'_>) -> Result<Option<u8>, String> {
    let number = |id| u8::try_from(id).map_err(|_| format!("node_id is 0 to 255, not {id}"));
    parameters.int("node_id").map(number).transpose()
}
