//! What the numbers of this process stand for: rows have names (spec/dialog.md §11.1).

use duologue_script::RouteKind;
use duologue_store::{Dictionary, SocketNames};

use crate::node::Node;
use crate::sockets::{Proto, SocketSpec, Sockets};

/// The names of a proxy's routes, script flags and sockets.
#[derive(Clone, Copy)]
pub(super) struct Words<'a>(pub(super) &'a Node);

impl Dictionary for Words<'_> {
    fn route(&self, number: u32) -> Option<String> {
        let script = self.0.script();
        let mut routes = script.program.routes();
        routes.find(|(id, _)| id.number() == number).map(|(_, route)| route.name.clone())
    }

    fn route_named(&self, name: &str) -> Option<u32> {
        let route = self.0.script().program.route(RouteKind::Request, name);
        if route.is_none() {
            tracing::warn!("a stored dialog wants route[{name}], which the script does not have");
        }
        route.map(|id| id.number())
    }

    fn flags(&self, bits: u32) -> String {
        self.0.dialogs.user_flag_names(bits)
    }

    fn flags_named(&self, names: &str) -> u32 {
        // A flag that this script does not use may be asked for by the next one.
        let bit = |name| self.0.dialogs.user_flag(name).map_or(0, |flag| flag.mask());
        names.split_whitespace().fold(0, |bits, name| bits | bit(name))
    }
}

impl SocketNames for Words<'_> {
    fn socket(&self, socket: u16) -> Option<String> {
        let socket = self.0.sockets.get(socket)?;
        Some(socket.tag().unwrap_or(socket.text()).to_owned())
    }

    fn socket_names(&self, number: u16) -> Option<String> {
        let socket = self.0.sockets.get(number)?;
        let (host, port) = (socket.advertised_host(), socket.advertised_port());
        let shown = format!("{}:{host}:{port}", socket.proto().name());
        let mut names = self.socket(number)?;
        for name in [socket.text(), &shown] {
            if !names.split(' ').any(|known| known == name) {
                names.push(' ');
                names.push_str(name);
            }
        }
        Some(names)
    }

    fn socket_named(&self, names: &str) -> Option<u16> {
        let sockets = &self.0.sockets;
        let known = names.split(' ').find_map(|name| named(sockets, name));
        known.or_else(|| names.split(' ').find_map(|name| stands_in(sockets, name)))
    }
}

/// A socket by its tag, its address, or what it advertises.
fn named(sockets: &Sockets, name: &str) -> Option<u16> {
    let tagged = sockets.iter().find(|(_, socket)| socket.tag() == Some(name));
    tagged.map(|(number, _)| number).or_else(|| sockets.find_text(name.as_bytes()))
}

/// Decision D28: the machine got another address. Where there is one socket of the protocol, no
/// other can be meant.
fn stands_in(sockets: &Sockets, name: &str) -> Option<u16> {
    let proto: Proto = name.parse::<SocketSpec>().ok()?.proto;
    let mut of_proto = sockets.iter().filter(|(_, socket)| socket.proto() == proto);
    let only = of_proto.next().filter(|_| of_proto.next().is_none());
    only.map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::Advertised;

    fn sockets(texts: &[&str]) -> Sockets {
        let mut specs: Vec<SocketSpec> = texts.iter().map(|text| text.parse().unwrap()).collect();
        specs[0].tag = Some("core".into());
        specs[0].advertised = Some(("sip.example.org".into(), Some(5060)));
        Sockets::build(specs, Vec::new(), Advertised::default()).unwrap()
    }

    // decision D28: by tag, by address, by what is advertised; else where no other can be meant
    #[test]
    fn sockets_are_found_again() {
        let two = sockets(&["udp:127.0.0.1:5070", "udp:127.0.0.1:5080"]);
        for (name, socket) in [
            ("core", Some(0)),
            ("udp:127.0.0.1:5080", Some(1)),
            ("udp:sip.example.org:5060", Some(0)),
            ("udp:192.0.2.1:5070", None),
            ("", None),
            ("nonsense", None),
        ] {
            assert_eq!(named(&two, name), socket, "{name}");
            assert_eq!(stands_in(&two, name), None, "{name}");
        }
        let one = sockets(&["udp:127.0.0.1:5070"]);
        assert_eq!(stands_in(&one, "udp:192.0.2.1:5060"), Some(0));
        assert_eq!(stands_in(&one, "tcp:192.0.2.1:5060"), None);
    }
}
