//! Rows to write.

use duologue_store::{DialogRow, ProfileLink, ScriptFlags, Sharing, Var, VarValue};

/// A plain row.
pub(crate) fn plain(id: u64) -> DialogRow {
    DialogRow {
        id,
        call_id: format!("call-{id}@example.com").into_bytes(),
        from_uri: b"sip:ann@example.com".to_vec(),
        from_tag: b"from".to_vec(),
        to_uri: b"sip:bob@example.com".to_vec(),
        to_tag: b"to".to_vec(),
        caller_cseq: 1,
        callee_cseq: 2,
        caller_contact: Some(b"sip:ann@192.0.2.1:5060".to_vec()),
        callee_contact: Some(b"sip:bob@192.0.2.2:5060".to_vec()),
        caller_sock: b"udp:192.0.2.9:5060".to_vec(),
        callee_sock: b"udp:192.0.2.9:5060".to_vec(),
        state: 4,
        start_time: 1_800_000_000,
        timeout: 1_800_043_200,
        ..DialogRow::default()
    }
}

/// A source of numbers that is the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn up_to(&mut self, most: u64) -> u64 {
        self.roll() % (most + 1)
    }

    fn number(&mut self) -> u32 {
        let edges = [0, 1, i32::MAX as u32, 1 << 31, u32::MAX, self.roll() as u32];
        edges[self.up_to(5) as usize]
    }

    /// Bytes of any kind: short, long, blank at the end, no text at all.
    fn bytes(&mut self, longest: u64) -> Vec<u8> {
        let length = if self.up_to(3) == 0 { self.up_to(longest) } else { self.up_to(30) };
        let any = self.up_to(1) == 0;
        let mut bytes: Vec<u8> = (0..length)
            .map(|_| if any { self.roll() as u8 } else { b' ' + self.up_to(94) as u8 })
            .collect();
        if self.up_to(7) == 0 {
            bytes.extend_from_slice(b"  ");
        }
        bytes
    }

    fn text(&mut self) -> Vec<u8> {
        self.bytes(2500)
    }

    fn optional(&mut self) -> Option<Vec<u8>> {
        (self.up_to(3) > 0).then(|| self.text())
    }
}

/// A row with anything in it.
pub(crate) fn any(seed: u64) -> DialogRow {
    let mut dice = Dice((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let vars = (0..dice.up_to(4)).map(|place| Var {
        name: format!("name{place}").into_bytes(),
        value: if dice.up_to(1) == 0 {
            VarValue::Int(dice.number().cast_signed())
        } else {
            VarValue::Text(dice.text())
        },
    });
    let vars = vars.collect();
    let profiles = (0..dice.up_to(4)).map(|place| ProfileLink {
        profile: format!("profile{place}").into_bytes(),
        value: dice.optional().filter(|value| !value.is_empty()),
        sharing: [Sharing::Local, Sharing::Store, Sharing::Cluster][dice.up_to(2) as usize],
    });
    let profiles = profiles.collect();
    DialogRow {
        id: seed.wrapping_mul(0x1234_5678_9abc_def1),
        call_id: dice.text(),
        from_uri: dice.text(),
        from_tag: dice.text(),
        to_uri: dice.text(),
        to_tag: dice.text(),
        mangled_from_uri: dice.optional(),
        mangled_to_uri: dice.optional(),
        caller_cseq: dice.number(),
        callee_cseq: dice.number(),
        caller_ping_cseq: dice.number(),
        callee_ping_cseq: dice.number(),
        caller_route_set: dice.optional(),
        callee_route_set: dice.optional(),
        caller_contact: dice.optional(),
        callee_contact: dice.optional(),
        caller_sock: dice.text(),
        callee_sock: dice.text(),
        state: 1 + dice.up_to(4) as u32,
        start_time: dice.number(),
        timeout: dice.number(),
        vars,
        profiles,
        script_flags: ScriptFlags::Names(dice.text()),
        module_flags: dice.number(),
        flags: dice.number(),
        route_on_answer: dice.optional(),
        route_on_timeout: dice.optional(),
        route_on_hangup: dice.optional(),
    }
}
