//! Who may command: the checks on a request's head.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};

use crate::http::Config;
use crate::{Role, base64};

/// The checks, prepared from the configuration.
pub(crate) struct Guard {
    /// How an origin of ours begins (RFC 6454 §6.2).
    scheme: &'static str,
    hosts: Vec<String>,
    /// What `Authorization` may be: scheme in lower case, credentials, and what they allow. Empty asks
    /// for none.
    credentials: Vec<(&'static str, String, Role)>,
}

impl Guard {
    pub(crate) fn new(config: &Config) -> Self {
        let mut credentials = Vec::new();
        for (token, role) in
            [(&config.token, Role::Full), (&config.read_only_token, Role::ReadOnly)]
        {
            if let Some(token) = token {
                credentials.push(("bearer", token.clone(), role));
            }
        }
        if let Some(basic) = &config.basic {
            let pair = format!("{}:{}", basic.username, basic.password);
            credentials.push(("basic", base64(pair.as_bytes()), Role::Full));
        }
        let scheme = if config.tls.is_some() { "https://" } else { "http://" };
        Self { scheme, hosts: config.hosts.clone(), credentials }
    }

    /// Whether the request can come from a web page of somebody else: 403.
    pub(crate) fn refuse_pages(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), StatusCode> {
        let host = only(headers, HOST)?.ok_or(StatusCode::FORBIDDEN)?;
        let named = uri.authority().map(|authority| authority.as_str());
        if !self.is_ours(host) || !named.is_none_or(|named| self.is_ours(named)) {
            return Err(StatusCode::FORBIDDEN);
        }
        if let Some(origin) = only(headers, ORIGIN)? {
            let same = origin
                .strip_prefix(self.scheme)
                .is_some_and(|authority| authority.eq_ignore_ascii_case(host));
            if !same {
                return Err(StatusCode::FORBIDDEN);
            }
        }
        match only(headers, HeaderName::from_static("sec-fetch-site"))? {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(StatusCode::FORBIDDEN),
        }
    }

    /// What the caller may do, by the token or the password that it knows: 401 without one.
    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<Role, StatusCode> {
        if self.credentials.is_empty() {
            return Ok(Role::Full);
        }
        let given = only(headers, AUTHORIZATION)?.ok_or(StatusCode::UNAUTHORIZED)?;
        let (scheme, secret) = given.split_once(' ').ok_or(StatusCode::UNAUTHORIZED)?;
        let known = self.credentials.iter().find(|(name, expected, _)| {
            name.eq_ignore_ascii_case(scheme) && same_secret(secret.trim(), expected)
        });
        known.map(|(.., role)| *role).ok_or(StatusCode::UNAUTHORIZED)
    }

    /// Whether the body says that it is JSON: else 415.
    pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), StatusCode> {
        let content_type = only(headers, CONTENT_TYPE)?.unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            Ok(())
        } else {
            Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        }
    }

    fn is_ours(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority) else {
            return false;
        };
        host.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }
}

/// The one value of a header; 400 if there are several or it is no text.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, StatusCode> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(StatusCode::BAD_REQUEST);
    }
    first.map(|value| value.to_str().map_err(|_| StatusCode::BAD_REQUEST)).transpose()
}

/// The host of `host[:port]`, without the brackets of an IPv6 address.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    port.is_none_or(|port| port.parse::<u16>().is_ok()).then_some(host)
}

/// Compares in a time that depends on the lengths alone.
fn same_secret(given: &str, expected: &str) -> bool {
    let difference = |(a, b): (u8, u8)| a ^ b;
    given.len() == expected.len()
        && given.bytes().zip(expected.bytes()).map(difference).fold(0, |all, bits| all | bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_our_own_hosts_pass() {
        let guard =
            Guard::new(&Config { hosts: vec!["proxy.example".into()], ..Config::default() });
        let uri = Uri::from_static("/mi");
        for host in ["127.0.0.1:8888", "localhost", "LOCALHOST:1", "[::1]:8888", "proxy.example:80"]
        {
            assert_eq!(guard.refuse_pages(&uri, &headers(&[("host", host)])), Ok(()), "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost:x", "[evil]", "[::1]x", "", ":80"]
        {
            let refused = guard.refuse_pages(&uri, &headers(&[("host", host)]));
            assert_eq!(refused, Err(StatusCode::FORBIDDEN), "{host}");
        }
        assert_eq!(guard.refuse_pages(&uri, &headers(&[])), Err(StatusCode::FORBIDDEN));
        let twice = headers(&[("host", "localhost"), ("host", "evil.example")]);
        assert_eq!(guard.refuse_pages(&uri, &twice), Err(StatusCode::BAD_REQUEST));
        let absolute = Uri::from_static("http://evil.example/mi");
        let host = headers(&[("host", "localhost")]);
        assert_eq!(guard.refuse_pages(&absolute, &host), Err(StatusCode::FORBIDDEN));
    }

    #[test]
    fn pages_of_others_are_refused() {
        let guard = Guard::new(&Config::default());
        let uri = Uri::from_static("/mi");
        let verdict = |name, value| {
            guard.refuse_pages(&uri, &headers(&[("host", "127.0.0.1:8888"), (name, value)]))
        };
        assert_eq!(verdict("origin", "http://127.0.0.1:8888"), Ok(()));
        for origin in ["http://evil.example", "https://127.0.0.1:8888", "http://127.0.0.1", "null"]
        {
            assert_eq!(verdict("origin", origin), Err(StatusCode::FORBIDDEN), "{origin}");
        }
        let tls = Some(crate::http::Tls::new("certificate", "key"));
        let secure = Guard::new(&Config { tls, ..Config::default() });
        for (origin, right) in [("https://127.0.0.1:8888", true), ("http://127.0.0.1:8888", false)]
        {
            let headers = headers(&[("host", "127.0.0.1:8888"), ("origin", origin)]);
            assert_eq!(secure.refuse_pages(&uri, &headers).is_ok(), right, "{origin}");
        }
        assert_eq!(verdict("sec-fetch-site", "same-origin"), Ok(()));
        assert_eq!(verdict("sec-fetch-site", "cross-site"), Err(StatusCode::FORBIDDEN));
        assert_eq!(verdict("sec-fetch-site", "same-site"), Err(StatusCode::FORBIDDEN));
    }

    #[test]
    fn either_secret_opens() {
        let basic = crate::http::Basic {
            username: "ada".into(),
            password: "secret".into(),
            realm: "OpenSIPS MI".into(),
        };
        let guard = Guard::new(&Config {
            token: Some("t0ken".into()),
            read_only_token: Some("r3ader".into()),
            basic: Some(basic),
            ..Config::default()
        });
        let verdict = |value| guard.authorize(&headers(&[("authorization", value)]));
        assert_eq!(verdict("Bearer t0ken"), Ok(Role::Full));
        assert_eq!(verdict("bearer r3ader"), Ok(Role::ReadOnly));
        assert_eq!(verdict("basic YWRhOnNlY3JldA=="), Ok(Role::Full));
        for wrong in ["Bearer t0keN", "Bearer", "Basic t0ken", "Bearer ", "YWRhOnNlY3JldA=="] {
            assert_eq!(verdict(wrong), Err(StatusCode::UNAUTHORIZED), "{wrong}");
        }
        assert_eq!(guard.authorize(&headers(&[])), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn where_readers_have_a_token_nobody_else_comes_in() {
        let read_only_token = Some("r3ader".to_owned());
        let guard = Guard::new(&Config { read_only_token, ..Config::default() });
        assert_eq!(guard.authorize(&headers(&[])), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(
            guard.authorize(&headers(&[("authorization", "Bearer r3ader")])),
            Ok(Role::ReadOnly)
        );
        assert_eq!(Guard::new(&Config::default()).authorize(&headers(&[])), Ok(Role::Full));
    }
}
