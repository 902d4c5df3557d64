//! Names of the language that Duologue has not built yet. A script that uses one is refused with a
//! message that says so, instead of a guess at a typing mistake.

/// Modules.
pub const PLANNED_MODULES: &[&str] = &[
    "acc", "alias_db", "auth", "auth_db", "auth_aaa", "avpops", "b2b_entities", "b2b_logic", "benchmark",
    "cachedb_local", "cachedb_redis", "call_control", "call_center", "carrierroute", "cfgutils",
    "clusterer", "compression", "cpl_c", "db_mysql", "db_postgres", "db_sqlite", "db_text",
    "dialplan", "dispatcher", "diversion", "dns_cache", "domain", "drouting", "enum", "event_datagram",
    "event_route", "event_routing", "event_stream", "event_virtual", "exec", "fraud_detection", "gflags",
    "group", "httpd2", "identity", "jsonrpc", "json", "load_balancer", "mathops", "media_exchange",
    "mediaproxy", "mi_datagram", "mi_fifo", "mi_html", "mi_script", "mid_registrar", "msilo",
    "nat_traversal", "nathelper", "options", "path", "permissions", "pike", "presence", "prometheus",
    "proto_bin", "proto_hep", "proto_sctp", "proto_tcp", "proto_tls", "proto_ws", "proto_wss", "qos",
    "qrouting", "rabbitmq", "ratelimit", "regex", "registrar", "rest_client", "rtpengine", "rtpproxy",
    "rtp_relay", "script_helper", "siprec", "siptrace", "sockets_mgm", "speeddial", "sst", "statistics",
    "status_report", "stir_shaken", "stun", "textops", "tls_mgm", "topology_hiding", "tracer", "uac",
    "uac_auth", "uac_redirect", "uac_registrant", "uri", "userblacklist", "usrloc", "xcap",
];

/// Functions, of the core and of the modules that exist.
pub const PLANNED_FUNCTIONS: &[&str] = &[
    // core
    "forward", "send", "serialize_branches", "next_branches", "use_blacklist", "unuse_blacklist",
    "check_blacklist_rule", "add_blacklist_rule", "del_blacklist_rule", "cache_store", "cache_remove",
    "cache_fetch", "cache_counter_fetch", "cache_add", "cache_sub", "cache_raw_query", "raise_event",
    "subscribe_event", "script_trace", "avp_print", "sr_check_status", "construct_uri",
    "get_timestamp", "force_tcp_alias", "add_local_rport", "set_advertised_address",
    "set_advertised_port", "set_via_handling", "socket_belongs_to_bond",
    "tcp_close_conn", "move_branch", "move_msg_branch", "swap_branches", "swap_msg_branches",
    // tm
    "t_reply_by_callid", "t_new_request", "t_wait_for_new_branches", "t_wait_no_more_branches",
    "t_inject_branches", "t_add_hdrs", "t_add_cancel_reason", "t_replicate", "t_write_req",
    "t_write_unix", "t_anycast_replicate", "t_get_branch_idx_by_attr", "t_reply_with_body",
    "t_local_replied", "t_flush_flags",
    // sipmsgops
    "append_body_to_reply", "remove_hf_re", "remove_hf_glob", "remove_body_part",
    "add_body_part", "get_updated_body_part", "codec_exists", "codec_exists_re", "codec_delete",
    "codec_delete_re", "codec_delete_except_re", "codec_move_up", "codec_move_up_re",
    "codec_move_down", "codec_move_down_re", "stream_exists", "stream_delete", "is_audio_on_hold",
    "ruri_tel2sip",
    "change_reply_status", "sipmsg_validate", "get_glob_headers_values", "sip_to_json",
    "has_body_part",
    // dialog
    "validate_dialog", "fix_route_dialog", "get_dialog_info", "get_dialog_vals",
    "get_dialogs_by_val", "get_dialogs_by_profile", "load_dialog_ctx", "unload_dialog_ctx",
    "set_dlg_profile", "unset_dlg_profile", "is_in_profile", "get_profile_size", "set_dlg_flag",
    "reset_dlg_flag", "test_and_set_dlg_flag", "is_dlg_flag_set", "set_dlg_sharing_tag",
    "dlg_on_answer", "dlg_on_timeout", "dlg_on_hangup", "dlg_send_sequential", "dlg_inc_cseq",
];

/// Variables.
pub const PLANNED_VARIABLES: &[&str] = &[
    "sdp", "sdp.line", "sdp.stream", "sdp.session", "sdp.stream.idx",
    "challenge.algorithm", "challenge.realm", "challenge.nonce",
    "challenge.opaque", "challenge.qop", "challenge.ik", "challenge.ck", "Au", "proxy_protocol",
    "msg.branch.uri", "msg.branch.duri", "msg.branch.path", "msg.branch.q", "msg.branch.flags",
    "msg.branch.socket", "msg.branch.flag", "msg.branch.attr", "msg.branch.last_idx", "msg.branch",
    "path", "Tsm", "mi", "err.class", "err.level", "err.rcode", "err.info", "err.rreason", "C", "json",
    "json_pretty", "json_compact", "shv", "stat", "bavp", "tm.branch.uri", "tm.branch.duri",
    "tm.branch.path", "tm.branch.q", "tm.branch.flags", "tm.branch.socket",
    "T_branch_last_reply_code", "DLG_flags", "DLG_del_delay", "DLG_json", "DLG_ctx_json",
    "DLG_options_ping_interval", "DLG_reinvite_ping_interval",
];
