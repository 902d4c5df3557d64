//! Bonds: several sockets under one name (`socket = bond:NAME {…}`, spec/script.md §2.2). Who forces
//! a bond leaves by the member that fits the destination.

use super::{SOCKETS_MAX, SocketError, Sockets};

/// The numbers of bonds begin where those of sockets end.
#[expect(clippy::cast_possible_truncation, reason = "it is 1024")]
const FIRST: u16 = SOCKETS_MAX as u16;

/// How a script writes one.
const PREFIX: &str = "bond:";

/// A bond as a script defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondSpec {
    /// Its name.
    pub name: String,
    /// Its sockets, as texts: `udp:10.0.0.1:5060`.
    pub members: Vec<String>,
}

/// A bond, found.
#[derive(Clone, Debug)]
pub(super) struct Bond {
    /// Behind `bond:`.
    text: Box<str>,
    members: Vec<u16>,
}

impl Sockets {
    /// The same table with bonds of its sockets.
    ///
    /// # Errors
    /// A member that is no socket of the table, or too many bonds.
    pub fn with_bonds(mut self, bonds: Vec<BondSpec>) -> Result<Self, SocketError> {
        for BondSpec { name, members } in bonds {
            if self.bonds.len() >= SOCKETS_MAX {
                return Err(SocketError::TooMany);
            }
            let find = |text: &String| {
                let socket = self.find_text(text.as_bytes());
                socket.ok_or_else(|| SocketError::NotInTable(text.clone(), name.clone()))
            };
            let members = members.iter().map(find).collect::<Result<_, _>>()?;
            self.bonds.push(Bond { text: format!("{PREFIX}{name}").into(), members });
        }
        Ok(self)
    }

    /// The number to force a bond by, from `bond:NAME` or `NAME`.
    pub fn find_bond(&self, text: &[u8]) -> Option<u16> {
        let name = text.strip_prefix(PREFIX.as_bytes()).unwrap_or(text);
        let is = |bond: &&Bond| bond.text[PREFIX.len()..].as_bytes() == name;
        (FIRST..).zip(&self.bonds).find(|(_, bond)| is(bond)).map(|(number, _)| number)
    }

    /// What a script may force, by its text: one of the sockets, or a bond.
    pub fn find_forced(&self, text: &[u8]) -> Option<u16> {
        match text.starts_with(PREFIX.as_bytes()) {
            true => self.find_bond(text),
            false => self.find_text(text),
        }
    }

    /// Whether a socket is a member of a bond.
    pub fn is_bonded(&self, socket: u16, bond: u16) -> bool {
        self.members(bond).is_some_and(|members| members.contains(&socket))
    }

    /// The sockets of a bond; `None` for the number of a socket.
    pub(super) fn members(&self, number: u16) -> Option<&[u16]> {
        self.bond(number).map(|bond| &bond.members[..])
    }

    /// The text of a bond: `bond:NAME`.
    pub fn bond_text(&self, number: u16) -> Option<&str> {
        self.bond(number).map(|bond| &*bond.text)
    }

    fn bond(&self, number: u16) -> Option<&Bond> {
        self.bonds.get(usize::from(number.checked_sub(FIRST)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Advertised, Proto};
    use super::*;

    fn table() -> Sockets {
        let sockets = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5070", "udp:[::1]:5060"];
        let specs = sockets.iter().map(|text| text.parse().unwrap()).collect();
        Sockets::build(specs, Vec::new(), Advertised::default()).unwrap()
    }

    fn bond(name: &str, members: &[&str]) -> BondSpec {
        let members = members.iter().map(ToString::to_string).collect();
        BondSpec { name: name.to_owned(), members }
    }

    /// spec/script.md §2.2: a member of matching protocol and address family is chosen.
    #[test]
    fn the_member_that_fits_is_chosen() {
        let both = bond("both", &["udp:127.0.0.1:5070", "udp:[::1]:5060"]);
        let six = bond("six", &["udp:[::1]:5060"]);
        let table = table().with_bonds(vec![both, six]).unwrap();
        let [both, six] =
            ["bond:both", "six"].map(|name| table.find_bond(name.as_bytes()).unwrap());
        let choose =
            |peer: &str, bond| table.for_destination(Proto::Udp, peer.parse().unwrap(), Some(bond));
        assert_eq!((choose("127.0.0.9", both), choose("::1", both)), (Some(1), Some(2)));
        // None of its members can: then any socket that can.
        assert_eq!(choose("127.0.0.9", six), Some(0));
        assert!(table.is_bonded(2, six) && !table.is_bonded(1, six) && !table.is_bonded(1, 0));
        assert_eq!((table.bond_text(six), table.bond_text(0)), (Some("bond:six"), None));
        assert_eq!(table.find_forced(b"bond:none"), None);
        assert_eq!(table.find_forced(b"udp:127.0.0.1:5070"), Some(1));
    }

    #[test]
    fn members_are_sockets_of_the_table() {
        let wrong = table().with_bonds(vec![bond("x", &["udp:127.0.0.1:5099"])]).unwrap_err();
        assert_eq!(wrong.to_string(), "bond:x: there is no socket udp:127.0.0.1:5099");
    }
}
