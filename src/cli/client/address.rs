//! Where the server is: a URL, taken apart once.

use duologue::management::rpc::base64;

use super::Failure;

/// The path where a URL has none.
const DEFAULT_PATH: &str = "/mi";

/// The URL that is asked, and what stood in it to let us in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    url: String,
    credentials: Option<Vec<u8>>,
}

impl Address {
    /// Takes `http://[USER:PASSWORD@]HOST[:PORT][/PATH]` or `https://…`; without a scheme it is HTTP.
    ///
    /// # Errors
    /// It is another scheme, or no URL.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::Usage(format!("--url: {why}"));
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            Some((scheme, _)) => {
                let why = format!("{scheme} is not spoken here, only http and https");
                return Err(wrong(&why));
            }
            None => ("http", text),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(percent_decoded(credentials)), host),
            None => (None, authority),
        };
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("a URL is http://HOST:PORT/PATH"));
        }
        let path = if path.len() > 1 { path } else { DEFAULT_PATH };
        Ok(Self { url: format!("{scheme}://{host}{path}"), credentials })
    }

    /// Without secrets.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// RFC 7617 §2: what the header `Authorization` says.
    pub(super) fn basic(&self) -> Option<String> {
        self.credentials.as_ref().map(|credentials| format!("Basic {}", base64(credentials)))
    }
}

/// RFC 3986 §2.1; what is no escape stays as it is.
fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at..at + 3).filter(|escape| escape[0] == b'%');
        let byte = escape
            .and_then(|escape| std::str::from_utf8(&escape[1..]).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_what_is_usual() {
        for (text, url) in [
            ("http://127.0.0.1:8888/mi", "http://127.0.0.1:8888/mi"),
            ("127.0.0.1:8888", "http://127.0.0.1:8888/mi"),
            ("HTTP://[::1]:80/", "http://[::1]:80/mi"),
            ("http://proxy.example/manage/it", "http://proxy.example/manage/it"),
            ("HTTPS://proxy.example", "https://proxy.example/mi"),
        ] {
            assert_eq!(Address::parse(text).unwrap().url(), url);
        }
    }

    #[test]
    fn user_and_password_stay_out_of_the_url() {
        let address = Address::parse("http://a%20b:p@ss%2@127.0.0.1/mi").unwrap();
        assert_eq!(address.url(), "http://127.0.0.1/mi");
        assert_eq!(address.credentials.as_deref(), Some(&b"a b:p@ss%2"[..]));
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for wrong in
            ["ftp://127.0.0.1/", "https://", "", "http:///mi", "http://a b/", "http://u:p@/"]
        {
            let failure = Address::parse(wrong).unwrap_err();
            assert_eq!(failure.exit_code(), 64, "{wrong}");
        }
    }
}
