//! Parameters: `;name=value;flag`, in headers, URIs and script strings.

use std::borrow::Cow;

use crate::grammar::{after_quoted, is_token, trim};

/// A list of parameters, walked on demand and never copied.
///
/// Leading separators and empty parameters are skipped, so `a=1;b`, `;a=1;b` and `;a=1;;b` give the
/// same list; [`Params::is_well_formed`] tells the strict from the sloppy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params<'b> {
    bytes: &'b [u8],
    separator: u8,
    quotes: bool,
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'b> {
    /// The name, without white space around it.
    pub name: &'b [u8],
    /// What follows the equals sign, quotes included; none if there is no equals sign.
    pub value: Option<&'b [u8]>,
    /// The whole parameter, from the first octet of the name to the last of the value.
    pub bytes: &'b [u8],
}

impl<'b> Params<'b> {
    /// Parameters of a header (`;tag=a;x="b;c"`): semicolons between, quoted strings respected.
    pub const fn of_header(bytes: &'b [u8]) -> Self {
        Self { bytes, separator: b';', quotes: true }
    }

    /// Parameters of a URI (`;lr;transport=tcp`): a quote has no meaning there.
    pub const fn of_uri(bytes: &'b [u8]) -> Self {
        Self { bytes, separator: b';', quotes: false }
    }

    /// Headers of a URI (`subject=x&priority=y`), without the question mark.
    pub const fn of_uri_headers(bytes: &'b [u8]) -> Self {
        Self { bytes, separator: b'&', quotes: false }
    }

    /// Parameters of a challenge or of credentials (`realm="x", nonce="y"`): commas between.
    pub const fn of_auth(bytes: &'b [u8]) -> Self {
        Self { bytes, separator: b',', quotes: true }
    }

    /// The list with any separator of one octet; `quotes` says whether quoted strings hide it.
    pub const fn separated(bytes: &'b [u8], separator: u8, quotes: bool) -> Self {
        Self { bytes, separator, quotes }
    }

    /// The text of the list, a leading separator included.
    pub const fn as_bytes(self) -> &'b [u8] {
        self.bytes
    }

    /// Whether there is no parameter.
    pub fn is_empty(mut self) -> bool {
        self.next().is_none()
    }

    /// The first parameter of that name, whatever its case.
    pub fn param(mut self, name: &[u8]) -> Option<Param<'b>> {
        self.find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first parameter of that name; none without such a parameter or value.
    /// Quotes are still around it: see [`Param::unquoted`].
    pub fn get(self, name: &[u8]) -> Option<&'b [u8]> {
        self.param(name)?.value
    }

    /// Whether a parameter of that name is there, with or without a value.
    pub fn has(self, name: &[u8]) -> bool {
        self.param(name).is_some()
    }

    /// The parameter at `index`, counted from zero.
    pub fn at(mut self, index: usize) -> Option<Param<'b>> {
        self.nth(index)
    }

    /// How many parameters there are.
    pub fn len(self) -> usize {
        self.count()
    }

    /// Whether the list follows its grammar: names are tokens, no parameter is empty, an equals
    /// sign is followed by something, quotes close.
    pub fn is_well_formed(self) -> bool {
        let mut rest = trim(self.bytes);
        if rest.is_empty() {
            return true;
        }
        if let [first, tail @ ..] = rest
            && *first == self.separator
        {
            rest = tail;
        }
        loop {
            let end = self.end(rest);
            let piece = trim(&rest[..end]);
            if !Param::split(piece).is_well_formed(self.quotes) {
                return false;
            }
            match rest.get(end + 1..) {
                Some(tail) => rest = tail,
                None => return true,
            }
        }
    }

    /// Where the first parameter of `rest` ends: at the separator or at the end.
    fn end(self, rest: &[u8]) -> usize {
        if !self.quotes {
            return memchr::memchr(self.separator, rest).unwrap_or(rest.len());
        }
        let mut at = 0;
        while let Some(found) = memchr::memchr2(self.separator, b'"', &rest[at..]) {
            at += found;
            if rest[at] == self.separator {
                return at;
            }
            match after_quoted(rest, at) {
                Some(after) => at = after,
                None => break,
            }
        }
        rest.len()
    }
}

impl<'b> Iterator for Params<'b> {
    type Item = Param<'b>;

    fn next(&mut self) -> Option<Param<'b>> {
        while !self.bytes.is_empty() {
            let end = self.end(self.bytes);
            let piece = trim(&self.bytes[..end]);
            self.bytes = self.bytes.get(end + 1..).unwrap_or_default();
            if !piece.is_empty() {
                return Some(Param::split(piece));
            }
        }
        None
    }
}

impl<'b> Param<'b> {
    /// The value without the quotes around it and the backslashes in it. Copies only when there
    /// is a backslash; empty if there is no value.
    pub fn unquoted(self) -> Cow<'b, [u8]> {
        unquote(self.value.unwrap_or_default())
    }

    fn split(piece: &'b [u8]) -> Self {
        match memchr::memchr(b'=', piece) {
            Some(at) => {
                Self { name: trim(&piece[..at]), value: Some(trim(&piece[at + 1..])), bytes: piece }
            }
            None => Self { name: piece, value: None, bytes: piece },
        }
    }

    fn is_well_formed(self, quotes: bool) -> bool {
        // URI parameters may hold `[]/:&$` besides what tokens may (RFC 3261 §25.1, paramchar).
        let fits = |&b: &u8| is_token(b) || (!quotes && b > b' ' && b != b'"' && b < 0x7f);
        let name = !self.name.is_empty() && self.name.iter().all(fits);
        let value = match self.value {
            None => true,
            Some([]) => !quotes,
            Some(value @ [b'"', ..]) if quotes => after_quoted(value, 0) == Some(value.len()),
            // A host is a value too, and may be an IPv6 address, bare or in brackets. Beyond that
            // peers put slashes and more into values; what ends a value elsewhere is refused.
            Some(value) => {
                value.iter().all(|&b| b > b' ' && !matches!(b, b'"' | b';' | b'<' | 0x7f))
            }
        };
        name && value
    }
}

/// `value` without its quotes and the backslashes between them; as it is if it has no quotes.
pub fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let inner = match value {
        [b'"', inner @ .., b'"'] => inner,
        plain => return Cow::Borrowed(plain),
    };
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&b) = bytes.next() {
        plain.push(if b == b'\\' { *bytes.next().unwrap_or(&b) } else { b });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(params: Params<'_>) -> Vec<String> {
        params.map(|p| String::from_utf8_lossy(p.name).into_owned()).collect()
    }

    #[test]
    fn the_list_is_walked_in_order() {
        let params = Params::of_header(b" ; tag = 98a ; flag;x=\"a;b\\\"=c\"; TAG=second");
        assert_eq!(names(params), ["tag", "flag", "x", "TAG"]);
        assert_eq!(params.get(b"Tag"), Some(&b"98a"[..]));
        assert_eq!(params.get(b"flag"), None);
        assert!(params.has(b"flag"));
        assert_eq!(params.param(b"x").unwrap().unquoted(), &b"a;b\"=c"[..]);
        assert_eq!(params.len(), 4);
        assert_eq!(params.at(3).unwrap().value, Some(&b"second"[..]));
        assert_eq!(params.at(4), None);
    }

    #[test]
    fn other_separators() {
        let auth = Params::of_auth(b"realm=\"a, b\", nonce=\"c\",stale=TRUE");
        assert_eq!(names(auth), ["realm", "nonce", "stale"]);
        assert_eq!(auth.param(b"realm").unwrap().unquoted(), &b"a, b"[..]);
        let headers = Params::of_uri_headers(b"subject=a&to=b");
        assert_eq!(names(headers), ["subject", "to"]);
        assert_eq!(names(Params::of_uri(b";x=\"a;y\"")), ["x", "y\""]);
    }

    #[test]
    fn sloppy_lists_are_walked_and_told_apart() {
        let sloppy = Params::of_header(b";;a;;,;b=");
        assert_eq!(names(sloppy), ["a", ",", "b"]);
        assert!(!sloppy.is_well_formed());
        assert!(Params::of_header(b"").is_well_formed());
        assert!(Params::of_header(b";tag=a;x=\"y\";z").is_well_formed());
        assert!(Params::of_header(b";received=2001:db8::1").is_well_formed());
        assert!(!Params::of_header(b";x=\"y").is_well_formed());
        assert!(!Params::of_header(b";x=y z").is_well_formed());
        assert!(!Params::of_header(b";tag=a;").is_well_formed());
    }

    #[test]
    fn a_backslash_at_the_end_stays() {
        assert_eq!(unquote(b"\"a\\\""), &b"a\\"[..]);
        assert_eq!(unquote(b"\""), &b"\""[..]);
    }
}
