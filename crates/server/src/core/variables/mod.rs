//! The core's variables (spec/script.md §8). What is not built yet stands in
//! [`planned`](super::planned).

mod branch_fields;
mod branches;
mod challenge;
mod color;
mod contact;
mod errors;
mod flags;
mod headers;
mod message;
mod msg_branches;
mod process;
mod sdp;
mod sockets;
mod uri;
mod view;

use duologue_script::{FlagKind, Subname};

use crate::module::Variable;

const MESSAGE_FLAG: Subname = Subname::Flag(FlagKind::Message);
const BRANCH_FLAG: Subname = Subname::Flag(FlagKind::Branch);

/// The variables that need no module.
pub static VARIABLES: &[Variable] = &[
    // The Request-URI.
    Variable::new(&["ru", "ruri"], uri::read).writable(uri::write),
    Variable::new(&["rU", "ruri.user"], uri::read_user).writable(uri::write_user),
    Variable::new(&["rd", "ruri.domain"], uri::read_host).writable(uri::write_host),
    Variable::new(&["rp"], uri::read_port).writable(uri::write_port),
    Variable::new(&["rP"], uri::read_proto),
    Variable::new(&["ru_q"], uri::read_q).writable(uri::write_q),
    // The Request-URI as received.
    Variable::new(&["ou", "ouri"], uri::read_original),
    Variable::new(&["oU"], uri::read_original_user),
    Variable::new(&["od"], uri::read_original_host),
    Variable::new(&["op"], uri::read_original_port),
    Variable::new(&["oP"], uri::read_original_proto),
    // The next hop and the other destinations.
    Variable::new(&["du", "duri"], uri::read_next_hop).writable(uri::write_next_hop),
    Variable::new(&["dd"], uri::read_next_hop_host).writable(uri::write_next_hop_host),
    Variable::new(&["dp"], uri::read_next_hop_port).writable(uri::write_next_hop_port),
    Variable::new(&["dP"], uri::read_next_hop_proto),
    Variable::new(&["ds"], branches::destination_set),
    Variable::new(&["branch"], branches::read)
        .writable(branches::write)
        .named(Subname::Optional)
        .indexed()
        .resolved(branches::resolve),
    Variable::new(&["path"], uri::read_path),
    Variable::new(&["msg.branch"], msg_branches::last).writable(msg_branches::add).indexed(),
    Variable::new(&["msg.branch.uri"], msg_branches::uri)
        .writable(msg_branches::write_uri)
        .indexed(),
    Variable::new(&["msg.branch.duri"], msg_branches::next_hop)
        .writable(msg_branches::write_next_hop)
        .indexed(),
    Variable::new(&["msg.branch.path"], msg_branches::path)
        .writable(msg_branches::write_path)
        .indexed(),
    Variable::new(&["msg.branch.q"], msg_branches::q).writable(msg_branches::write_q).indexed(),
    Variable::new(&["msg.branch.flags"], msg_branches::flag_names)
        .writable(msg_branches::write_flags)
        .indexed(),
    Variable::new(&["msg.branch.socket"], msg_branches::socket)
        .writable(msg_branches::write_socket)
        .indexed(),
    Variable::new(&["msg.branch.flag"], msg_branches::flag)
        .writable(msg_branches::write_flag)
        .named(BRANCH_FLAG)
        .indexed(),
    Variable::new(&["msg.branch.attr"], msg_branches::attr)
        .writable(msg_branches::write_attr)
        .named(Subname::Required)
        .indexed(),
    Variable::new(&["msg.branch.last_idx"], msg_branches::last_index),
    // From and To.
    Variable::new(&["fu", "from"], headers::from),
    Variable::new(&["fU", "from.user"], headers::from_user),
    Variable::new(&["fd", "from.domain"], headers::from_host),
    Variable::new(&["fn"], headers::from_name),
    Variable::new(&["ft"], headers::from_tag),
    Variable::new(&["tu", "to"], headers::to),
    Variable::new(&["tU", "to.user"], headers::to_user),
    Variable::new(&["td", "to.domain"], headers::to_host),
    Variable::new(&["tn"], headers::to_name),
    Variable::new(&["tt"], headers::to_tag),
    // The error that the error route hears of.
    Variable::new(&["err.class"], errors::class),
    Variable::new(&["err.level"], errors::level),
    Variable::new(&["err.rcode"], errors::status),
    Variable::new(&["err.info"], errors::info),
    Variable::new(&["err.rreason"], errors::reason),
    // Other addresses.
    Variable::new(&["re"], headers::remote_party),
    Variable::new(&["di"], headers::diversion),
    Variable::new(&["dip"], headers::diversion_privacy),
    Variable::new(&["dir"], headers::diversion_reason),
    Variable::new(&["rt"], headers::refer_to),
    Variable::new(&["ai"], headers::asserted),
    Variable::new(&["pu"], headers::preferred),
    Variable::new(&["pU"], headers::preferred_user),
    Variable::new(&["pd"], headers::preferred_host),
    Variable::new(&["pn"], headers::preferred_name),
    // Other headers.
    Variable::new(&["ci"], headers::call_id),
    Variable::new(&["cs"], headers::cseq),
    Variable::new(&["cl"], headers::content_length),
    Variable::new(&["cT"], headers::content_type).indexed(),
    Variable::new(&["ct"], contact::whole).indexed(),
    Variable::new(&["ct.fields"], contact::fields)
        .named(Subname::Required)
        .indexed()
        .resolved(contact::resolve),
    Variable::new(&["ua"], headers::user_agent),
    Variable::new(&["hdr"], headers::header).named(Subname::Required).indexed(),
    Variable::new(&["hdr_name"], headers::header_name).indexed(),
    Variable::new(&["hdrcnt"], headers::header_count).named(Subname::Required),
    // Credentials.
    Variable::new(&["au"], headers::auth_user),
    Variable::new(&["ad"], headers::auth_domain),
    Variable::new(&["aU"], headers::auth_username),
    Variable::new(&["ar"], headers::auth_realm),
    Variable::new(&["adu"], headers::auth_uri),
    Variable::new(&["an", "auth.nonce"], headers::auth_nonce),
    Variable::new(&["auth.resp"], headers::auth_response),
    Variable::new(&["auth.cnonce"], headers::auth_cnonce),
    Variable::new(&["auth.opaque"], headers::auth_opaque),
    Variable::new(&["auth.alg"], headers::auth_algorithm),
    Variable::new(&["auth.qop"], headers::auth_qop),
    Variable::new(&["auth.nc"], headers::auth_count),
    Variable::new(&["Au"], headers::accounting_user),
    Variable::new(&["challenge.algorithm"], challenge::algorithm),
    Variable::new(&["challenge.realm"], challenge::realm),
    Variable::new(&["challenge.nonce"], challenge::nonce),
    Variable::new(&["challenge.opaque"], challenge::opaque),
    Variable::new(&["challenge.qop"], challenge::qop),
    Variable::new(&["challenge.ck"], challenge::cipher_key),
    Variable::new(&["challenge.ik"], challenge::integrity_key),
    // The message as a whole.
    Variable::new(&["rm"], message::method),
    Variable::new(&["rs"], message::status),
    Variable::new(&["rr"], message::reason),
    Variable::new(&["rb"], message::body).named(Subname::Optional).indexed(),
    Variable::new(&["mb"], message::bytes),
    Variable::new(&["ml"], message::length),
    Variable::new(&["mi"], process::message_number),
    Variable::new(&["msg.is_request"], message::is_request),
    Variable::new(&["msg.type"], message::kind),
    // Flags.
    Variable::new(&["mf"], flags::message_names),
    Variable::new(&["bf"], flags::branch_names),
    Variable::new(&["msg.flag"], flags::read_message)
        .writable(flags::write_message)
        .named(MESSAGE_FLAG),
    Variable::new(&["branch.flag"], flags::read_branch)
        .writable(flags::write_branch)
        .named(BRANCH_FLAG)
        .indexed(),
    // Sockets.
    Variable::new(&["si", "src_ip"], sockets::source_ip),
    Variable::new(&["sp"], sockets::source_port),
    Variable::new(&["Ri"], sockets::received_ip),
    Variable::new(&["Rp"], sockets::received_port),
    Variable::new(&["pr", "proto"], sockets::proto),
    Variable::new(&["af"], sockets::family),
    Variable::new(&["socket_in"], sockets::socket_in)
        .named(Subname::Optional)
        .resolved(sockets::resolve_in),
    Variable::new(&["socket_out", "fs"], sockets::socket_out)
        .writable(sockets::write_socket_out)
        .named(Subname::Optional)
        .resolved(sockets::resolve_out),
    Variable::new(&["proxy_protocol"], sockets::proxy_protocol)
        .named(Subname::Required)
        .resolved(sockets::check_proxy_protocol),
    // The session description.
    Variable::new(&["sdp"], sdp::whole).writable(sdp::write_whole),
    Variable::new(&["sdp.line"], sdp::line)
        .writable(sdp::write_line)
        .named(Subname::Required)
        .resolved(sdp::check_line),
    Variable::new(&["sdp.stream"], sdp::stream)
        .writable(sdp::write_stream)
        .named(Subname::Required)
        .resolved(sdp::check_stream),
    Variable::new(&["sdp.session"], sdp::session)
        .writable(sdp::write_session)
        .named(Subname::Optional)
        .resolved(sdp::check_session),
    Variable::new(&["sdp.stream.idx"], sdp::stream_index)
        .named(Subname::Required)
        .resolved(sdp::check_stream_index),
    // The program around it.
    Variable::new(&["avp"], process::avp)
        .writable(process::write_avp)
        .named(Subname::Required)
        .indexed(),
    Variable::new(&["Ts"], process::unix_time),
    Variable::new(&["Tsm"], process::micros),
    Variable::new(&["TS"], process::started),
    Variable::new(&["Tf"], process::time_text),
    Variable::new(&["time"], process::time).named(Subname::Required).resolved(process::check_time),
    Variable::new(&["pp"], process::process_id),
    Variable::new(&["argv"], process::argument).named(Subname::Required),
    Variable::new(&["log_level"], process::log_level).writable(process::write_log_level),
    Variable::new(&["xlog_level"], process::xlog_level).writable(process::write_xlog_level),
    Variable::new(&["C"], color::escape).named(Subname::Required).resolved(color::resolve),
];

#[cfg(test)]
pub(in crate::core) mod tests;
