//! `sipmsgops`: looking at messages and changing their headers and bodies (spec/modules.md §6).
//!
//! Changes are recorded and take effect when the message leaves: the script goes on seeing the
//! message as received.

mod codecs;
mod headers;
mod json;
mod local_replies;
mod options;
mod parts;
mod questions;
mod streams;
mod uri;
mod validation;

use duologue_script::{Called, Param, ParamKind, RouteKinds};

use self::codecs::{
    codec_delete, codec_delete_except_re, codec_delete_re, codec_exists, codec_exists_re,
    codec_move_down, codec_move_down_re, codec_move_up, codec_move_up_re,
};
use self::headers::{
    append_hf, append_urihf, check_header, get_glob_headers_values, insert_hf, remove_hf,
    remove_hf_glob, remove_hf_re,
};
use self::json::sip_to_json;
use self::local_replies::{
    append_body_to_reply, append_time, append_to_reply, change_reply_status, check_status,
};
use self::options::{list_hdr_add_option, list_hdr_has_option, list_hdr_remove_option};
use self::parts::{
    add_body_part, check_part, check_revert, get_updated_body_part, has_body_part, remove_body_part,
};
use self::questions::{check_method, has_totag, is_method, is_present_hf, is_privacy};
use self::streams::{is_audio_on_hold, stream_delete, stream_exists};
use self::uri::{is_uri_user_e164, ruri_add_param, ruri_del_param, ruri_has_param, ruri_tel2sip};
use self::validation::{check_flags, sipmsg_validate};
use crate::module::{Function, Module, Parameters, Settings};

pub use self::local_replies::{REPLY_BODY_MAX, REPLY_HEADERS_MAX};

const STR: Param = Param::new(ParamKind::Str);
const INT: Param = Param::new(ParamKind::Int);
const VAR: Param = Param::new(ParamKind::Var);
const REGEX: Param = Param::new(ParamKind::Regex);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);
const OPTIONAL_VAR: Param = Param::optional(ParamKind::Var);
const OPTIONAL_REGEX: Param = Param::optional(ParamKind::Regex);

const QFB: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::FAILURE).union(RouteKinds::BRANCH);
const QFL: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::FAILURE).union(RouteKinds::LOCAL);
const QFBE: RouteKinds = QFB.union(RouteKinds::ERROR);
const QFBL: RouteKinds = QFB.union(RouteKinds::LOCAL);
const QRFB: RouteKinds = QFB.union(RouteKinds::REPLY);
const R: RouteKinds = RouteKinds::REPLY;
const ALL: RouteKinds = QRFB.union(RouteKinds::LOCAL);

/// The declaration.
pub static MODULE: Module = Module {
    name: "sipmsgops",
    functions: &[
        Function::new("append_hf", &[STR, OPTIONAL_STR], ALL, append_hf).checked(check_header),
        Function::new("insert_hf", &[STR, OPTIONAL_STR], ALL, insert_hf).checked(check_header),
        Function::new("append_urihf", &[STR, STR], QFB, append_urihf),
        Function::new("append_to_reply", &[STR], QFBE, append_to_reply).checked(check_header),
        Function::new("append_body_to_reply", &[STR], QFBE, append_body_to_reply),
        Function::new("remove_hf", &[STR], ALL, remove_hf),
        Function::new("remove_hf_re", &[REGEX], ALL, remove_hf_re),
        Function::new("remove_hf_glob", &[STR], ALL, remove_hf_glob),
        Function::new("is_present_hf", &[STR], ALL, is_present_hf),
        Function::new("get_glob_headers_values", &[STR, VAR, VAR], ALL, get_glob_headers_values),
        Function::new("is_method", &[STR], ALL, is_method).checked(check_method),
        Function::new("has_totag", &[], ALL, has_totag),
        Function::new("has_body", &[OPTIONAL_STR], ALL, has_body_part),
        Function::new("has_body_part", &[OPTIONAL_STR], ALL, has_body_part),
        Function::new("remove_body_part", &[OPTIONAL_STR, OPTIONAL_STR], ALL, remove_body_part)
            .checked(check_revert),
        Function::new("add_body_part", &[STR, STR, OPTIONAL_STR], ALL, add_body_part)
            .checked(check_part),
        Function::new("get_updated_body_part", &[OPTIONAL_STR, VAR], ALL, get_updated_body_part),
        Function::new("codec_exists", &[STR, OPTIONAL_STR], ALL, codec_exists),
        Function::new("codec_exists_re", &[REGEX], ALL, codec_exists_re),
        Function::new("codec_delete", &[STR, OPTIONAL_STR], ALL, codec_delete),
        Function::new("codec_delete_re", &[REGEX], ALL, codec_delete_re),
        Function::new("codec_delete_except_re", &[REGEX], ALL, codec_delete_except_re),
        Function::new("codec_move_up", &[STR, OPTIONAL_STR], ALL, codec_move_up),
        Function::new("codec_move_up_re", &[REGEX], ALL, codec_move_up_re),
        Function::new("codec_move_down", &[STR, OPTIONAL_STR], ALL, codec_move_down),
        Function::new("codec_move_down_re", &[REGEX], ALL, codec_move_down_re),
        Function::new("stream_exists", &[REGEX, OPTIONAL_REGEX], ALL, stream_exists),
        Function::new("stream_delete", &[REGEX, OPTIONAL_REGEX], ALL, stream_delete),
        Function::new("is_audio_on_hold", &[], ALL, is_audio_on_hold),
        Function::new("is_privacy", &[STR], ALL, is_privacy),
        Function::new("is_uri_user_e164", &[STR], QFL, is_uri_user_e164),
        Function::new("list_hdr_has_option", &[STR, STR], ALL, list_hdr_has_option),
        Function::new("list_hdr_add_option", &[STR, STR], ALL, list_hdr_add_option),
        Function::new("list_hdr_remove_option", &[STR, STR], ALL, list_hdr_remove_option),
        Function::new("append_time", &[], QFBL, append_time),
        Function::new("ruri_add_param", &[STR], ALL, ruri_add_param),
        Function::new("ruri_del_param", &[STR], ALL, ruri_del_param),
        Function::new("ruri_has_param", &[STR, OPTIONAL_STR], ALL, ruri_has_param),
        Function::new("ruri_tel2sip", &[], QFBL, ruri_tel2sip),
        Function::new("change_reply_status", &[INT, STR], R, change_reply_status)
            .checked(check_status),
        Function::new("sipmsg_validate", &[OPTIONAL_STR, OPTIONAL_VAR], QRFB, sipmsg_validate)
            .checked(check_flags),
        Function::new("sip_to_json", &[VAR], ALL, sip_to_json),
    ],
    configure,
    ..Module::EMPTY
};

fn configure(_: &Parameters<'_>) -> Result<Settings, String> {
    Ok(Box::new(()))
}

const fn yes_or_no(yes: bool) -> Called {
    Called::Value(if yes { 1 } else { -1 })
}
