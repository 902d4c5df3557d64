//! `httpd` and `mi_http`: commands over HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::NOT_TRACED;
use crate::module::{Module, Parameter, Parameters, Settings};

/// Why buffer sizes change nothing.
const OWN_BUFFERS: &str = "buffers are bounded by themselves";

/// Why a list of ciphers changes nothing.
const STRONG_CIPHERS: &str = "TLS 1.2 and 1.3 are spoken with strong ciphers only";

/// The declaration of `httpd`.
pub static HTTPD: Module = Module {
    name: "httpd",
    parameters: &[
        Parameter::str("ip"),
        Parameter::int("port"),
        Parameter::str("auth_realm"),
        Parameter::str("auth_username"),
        Parameter::str("auth_password"),
        Parameter::str("host_name"),
        Parameter::str("token"),
        Parameter::str("read_only_token"),
        Parameter::int("conn_timeout"),
        Parameter::int("buf_size").without_effect(None, OWN_BUFFERS),
        Parameter::int("post_buf_size").without_effect(None, OWN_BUFFERS),
        Parameter::int("receive_buf_size").without_effect(None, OWN_BUFFERS),
        Parameter::str("tls_cert_file"),
        Parameter::str("tls_key_file"),
        Parameter::str("tls_ciphers").without_effect(None, STRONG_CIPHERS),
    ],
    configure: configure_httpd,
    ..Module::EMPTY
};

/// The declaration of `mi_http`.
pub static MI_HTTP: Module = Module {
    name: "mi_http",
    parameters: &[
        Parameter::str("root"),
        Parameter::int("pretty_printing"),
        Parameter::str("trace_destination").without_effect(None, NOT_TRACED),
        Parameter::str("trace_bwlist").without_effect(None, NOT_TRACED),
    ],
    configure: configure_mi_http,
    ..Module::EMPTY
};

/// Where HTTP listens.
#[derive(Clone, Debug)]
pub struct HttpdSettings {
    /// The address; loopback unless the script names another.
    pub address: SocketAddr,
    /// The realm of basic authentication.
    pub auth_realm: String,
    /// How long a connection may be silent.
    pub conn_timeout: Duration,
    /// User and password of basic authentication, if set.
    pub credentials: Option<(String, String)>,
    /// The names under which clients may ask for it, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The files of the certificate and of its key; without them there is no TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The token of who may do everything, if set.
    pub token: Option<String>,
    /// The token of who may only read, if set.
    pub read_only_token: Option<String>,
}

/// How JSON-RPC is answered over HTTP.
#[derive(Clone, Debug)]
pub struct MiHttpSettings {
    /// The path without its leading slash.
    pub root: String,
    /// Whether answers are indented.
    pub pretty_printing: bool,
}

fn configure_httpd(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let ip = match parameters.str("ip") {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(text) => text.parse().map_err(|_| format!("ip: {text} is not an address"))?,
    };
    let port = parameters.at_least("port", 8888, 0)?;
    let port = u16::try_from(port).map_err(|_| "port must be below 65536".to_owned())?;
    let credentials = match (parameters.str("auth_username"), parameters.str("auth_password")) {
        (None, None) => None,
        (Some(""), Some(_)) => return Err("auth_username is empty".to_owned()),
        (Some(_), Some("")) => return Err("auth_password is empty".to_owned()),
        (Some(user), Some(password)) => Some((user.to_owned(), password.to_owned())),
        _ => return Err("auth_username and auth_password belong together".to_owned()),
    };
    let token = |name: &str| {
        let token = parameters.str(name).map(|text| checked_token(text).map(str::to_owned));
        token.transpose().map_err(|why| format!("{name} {why}"))
    };
    let (token, read_only_token) = (token("token")?, token("read_only_token")?);
    let hosts: Vec<_> = parameters.all_str("host_name").map(str::to_owned).collect();
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let no_name = |host: &&String| host.is_empty() || !host.bytes().all(of_a_name);
    if let Some(wrong) = hosts.iter().find(no_name) {
        return Err(format!("host_name: {wrong} is no name of a host (without its port)"));
    }
    let tls = match (parameters.str("tls_cert_file"), parameters.str("tls_key_file")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        _ => return Err("tls_cert_file and tls_key_file belong together".to_owned()),
    };
    let auth_realm = parameters.str("auth_realm").unwrap_or("OpenSIPS MI").to_owned();
    let seconds = parameters.at_least("conn_timeout", 30, 1)?;
    let conn_timeout = Duration::from_secs(seconds.into());
    let address = SocketAddr::new(ip, port);
    Ok(Box::new(HttpdSettings {
        address,
        conn_timeout,
        auth_realm,
        credentials,
        hosts,
        tls,
        token,
        read_only_token,
    }))
}

/// The path in the parameter `root`, without its slashes at both ends.
///
/// # Errors
/// It has characters that no path of a URL has (RFC 3986 §3.3).
pub(crate) fn root(parameters: &Parameters<'_>, default: &str) -> Result<String, String> {
    let root = parameters.str("root").unwrap_or(default).trim_matches('/');
    let of_a_path =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    if root.bytes().all(of_a_path) {
        Ok(root.to_owned())
    } else {
        Err(format!("root: {root} is no path"))
    }
}

/// A token as a header field can carry it (RFC 6750 §2.1).
///
/// # Errors
/// What is wrong with it: what cannot be sent would lock everybody out.
pub fn checked_token(text: &str) -> Result<&str, &'static str> {
    match text {
        "" => Err("is empty"),
        _ if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text),
        _ => Err("has characters that no header field carries, such as blanks"),
    }
}

fn configure_mi_http(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let root = root(parameters, "mi")?;
    let pretty_printing = parameters.switch("pretty_printing", false);
    Ok(Box::new(MiHttpSettings { root, pretty_printing }))
}
