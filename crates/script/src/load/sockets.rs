//! `socket`, `listen` and `alias` (spec §2.2).

use super::{Loader, Parsed};
use crate::lexer::Token;
use crate::lint::{DEPRECATED_NAME, NO_EFFECT};
use crate::script::{Alias, Bond, Socket};
use crate::source::Span;

/// Ports that one range may name.
const RANGE_MAX: usize = 1024;

/// Words behind a socket that take no value.
const OPTIONS: [&str; 7] = [
    "anycast",
    "accept_subdomain",
    "frag",
    "reuse_port",
    "proxy_protocol",
    "allow_proxy_protocol",
    "send_proxy_protocol",
];

/// Those among them that mean something for connections only.
const OF_STREAMS: [&str; 4] =
    ["reuse_port", "proxy_protocol", "allow_proxy_protocol", "send_proxy_protocol"];

/// The transports of the language, longest first where one begins another.
const TRANSPORTS: [&str; 13] = [
    "udp", "tcp", "tls", "ws", "wss", "sctp", "bin", "bins", "hep_udp", "hep_tcp", "smpp", "msrp",
    "ipc",
];

impl Loader<'_> {
    /// socket = proto:address[:ports] { parameter }
    pub(super) fn socket(&mut self, keyword: &str, head: Span) -> Parsed<()> {
        if keyword == "listen" {
            let message = "`listen` is the old name of `socket`";
            self.report.warning(&DEPRECATED_NAME, head, message, None);
        }
        let Some((text, span)) = self.raw_word() else {
            return Err(self.refuse(head, "an address is missing"));
        };
        let Some((proto, address)) = text.split_once(':') else {
            let help = Some("write `socket = udp:10.0.0.1:5060`".to_owned());
            return Err(self.fail_help(span, format!("`{text}` names no transport"), help));
        };
        if proto == "bond" {
            return self.bond(address.to_owned(), head, span);
        }
        if !TRANSPORTS.contains(&proto) {
            let help = crate::diagnostic::did_you_mean(proto, TRANSPORTS);
            return Err(self.fail_help(span, format!("unknown transport `{proto}`"), help));
        }
        let Some((host, ports)) = split_host(address) else {
            return Err(self.fail(span, format!("`{address}` is no address")));
        };
        let ports = match ports.map_or(Some(Vec::new()), port_list) {
            Some(ports) => ports,
            None => return Err(self.fail(span, format!("wrong port in `{text}`"))),
        };
        let mut socket = Socket {
            proto: proto.to_owned(),
            host,
            ports,
            location: self.location(head),
            ..Socket::default()
        };
        loop {
            let span = self.span();
            let word = self.next_text().to_owned();
            if self.peek() != Some(Token::Word) || self.begins_item() {
                break;
            }
            if OPTIONS.contains(&word.as_str()) {
                self.at += 1;
                if proto == "udp" && OF_STREAMS.contains(&word.as_str()) {
                    let message = format!("`{word}` is for connections: a udp socket has none");
                    self.report.warning(&NO_EFFECT, span, message, None);
                }
                socket.options.push(word);
                continue;
            }
            match word.as_str() {
                "as" => {
                    self.at += 1;
                    let found = self.raw_word();
                    let parts = found.as_ref().and_then(|(text, _)| split_host(text));
                    let Some((host, port)) = parts else {
                        return Err(self.fail(span, "`as` needs an address"));
                    };
                    let port = match port.map(str::parse).transpose() {
                        Ok(port) => port,
                        Err(_) => return Err(self.fail(span, "wrong port behind `as`")),
                    };
                    socket.advertised = Some((host, port));
                }
                "use_workers" | "tos" => {
                    self.at += 1;
                    let number = self.signed_number().and_then(|n| u32::try_from(n).ok());
                    let Some(number) = number else {
                        return Err(self.fail(span, format!("number expected behind `{word}`")));
                    };
                    if word == "tos" && number > 255 {
                        return Err(self.fail(span, "tos must be between 0 and 255"));
                    }
                    if word == "use_workers" && number == 0 {
                        return Err(self.fail(span, "a socket needs at least one worker"));
                    }
                    let field = if word == "tos" { &mut socket.tos } else { &mut socket.workers };
                    *field = Some(number);
                }
                "tag" | "use_auto_scaling_profile" => {
                    self.at += 1;
                    let Some((name, _)) = self.raw_word() else {
                        return Err(self.fail(span, format!("a name is missing behind `{word}`")));
                    };
                    if word != "tag" {
                        let message = "auto-scaling profiles have no effect";
                        self.report.warning(&NO_EFFECT, span, message, None);
                    }
                    let field = if word == "tag" {
                        &mut socket.tag
                    } else {
                        &mut socket.auto_scaling_profile
                    };
                    *field = Some(name);
                }
                _ => {
                    let known = OPTIONS.into_iter().chain([
                        "as",
                        "use_workers",
                        "tos",
                        "tag",
                        "use_auto_scaling_profile",
                    ]);
                    let help = crate::diagnostic::did_you_mean(&word, known);
                    let message = format!("unknown socket parameter `{word}`");
                    return Err(self.fail_help(span, message, help));
                }
            }
        }
        self.setup.sockets.push(socket);
        Ok(())
    }

    /// socket = bond:NAME { "socket" { "," "socket" } }
    fn bond(&mut self, name: String, head: Span, span: Span) -> Parsed<()> {
        if name.is_empty() {
            return Err(self.fail(span, "a bond needs a name"));
        }
        if self.setup.bonds.iter().any(|bond| bond.name == name) {
            return Err(self.fail(span, format!("the bond `{name}` is defined twice")));
        }
        self.expect(Token::BraceOpen, "`{`")?;
        let mut members = Vec::new();
        loop {
            let Some((member, _)) = self.string_text() else {
                return Err(self.fail(self.span(), "a bond has sockets in quotes"));
            };
            members.push(member);
            if !self.take(Token::Comma) {
                break;
            }
        }
        self.expect(Token::BraceClose, "`,` or `}`")?;
        let location = self.location(head);
        self.setup.bonds.push(Bond { name, members, location });
        Ok(())
    }

    /// alias = [proto:]host[:port] [accept_subdomain] …
    pub(super) fn alias(&mut self) -> Parsed<()> {
        let mut first = true;
        while self.peek().is_some() && (first || !self.begins_item()) {
            first = false;
            let Some((text, span)) = self.raw_word() else { break };
            let (proto, rest) = match text.split_once(':') {
                Some((proto, rest)) if TRANSPORTS.contains(&proto) => (Some(proto), rest),
                Some(("any", rest)) => (None, rest),
                _ => (None, text.as_str()),
            };
            let parts = split_host(rest);
            let port =
                parts.as_ref().and_then(|(_, port)| *port).map(str::parse::<u16>).transpose();
            let (Some((host, _)), Ok(port)) = (parts, port) else {
                return Err(self.fail(span, format!("`{text}` is no host with port")));
            };
            let accept_subdomain = self.take_word("accept_subdomain");
            let proto = proto.map(str::to_owned);
            let location = self.location(span);
            self.setup.aliases.push(Alias { proto, host, port, accept_subdomain, location });
        }
        Ok(())
    }
}

/// The host and what stands behind its colon. Brackets around IPv6 go.
fn split_host(text: &str) -> Option<(String, Option<&str>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, rest) = inside.split_once(']')?;
            (host, rest)
        }
        // An IPv6 address without brackets has no port.
        None if text.matches(':').count() > 1 => (text, ""),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest {
        "" => None,
        rest => Some(rest.strip_prefix(':')?),
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// `5060-5064,5070`
fn port_list(text: &str) -> Option<Vec<u16>> {
    let mut ports = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        if first == 0 || last < first || usize::from(last - first) >= RANGE_MAX {
            return None;
        }
        ports.extend(first..=last);
    }
    Some(ports)
}
