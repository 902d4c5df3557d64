//! What holds for all messages: parse, render, parse is the identity, and no bytes panic.

mod common;

use duologue_sip::{Edits, Message, render};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn parse_render_parse_is_the_identity(bytes in message()) {
        let first = Message::parse(&bytes).unwrap();
        let mut out = Vec::new();
        render(&bytes, &[&Edits::new()], &mut out);
        prop_assert_eq!(&out, &bytes);
        let second = Message::parse(&out).unwrap();
        prop_assert_eq!(first.start_line(), second.start_line());
        prop_assert_eq!(first.body(), second.body());
        let lines = |m: &Message<'_>| {
            m.headers().map(|h| (h.known(), h.name().to_vec(), h.value().to_vec())).collect::<Vec<_>>()
        };
        prop_assert_eq!(lines(&first), lines(&second));
        // The lines and what is around them are the whole message: nothing was overlooked.
        let head = first.headers_span();
        let sum: usize = first.headers().map(|h| h.span().len()).sum();
        prop_assert_eq!(sum, head.len());
    }

    #[test]
    fn what_is_inserted_and_removed_again_is_gone(bytes in message(), at in 0_usize..2000) {
        let message = Message::parse(&bytes).unwrap();
        let index = at % message.headers().len().max(1);
        let Some(header) = message.headers().nth(index) else { return Ok(()) };
        let mut edits = Edits::new();
        edits.draft(&message).insert_lines_after(&header, &[b"X-Inserted: 1\r\n"]);
        let mut with = Vec::new();
        render(&bytes, &[&edits], &mut with);
        let with_message = Message::parse(&with).unwrap();
        let mut removal = Edits::new();
        removal.draft(&with_message).remove_all("x-inserted");
        let mut without = Vec::new();
        render(&with, &[&removal], &mut without);
        prop_assert_eq!(without, bytes);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        common::walk(&bytes);
    }

    #[test]
    fn a_message_with_a_few_wrong_bytes_does_not_panic(
        changes in proptest::collection::vec((0..common::INVITE.len(), any::<u8>()), 1..12),
        cut in 0..common::INVITE.len(),
    ) {
        let mut bytes = common::INVITE.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        common::walk(&bytes);
        common::walk(&bytes[..cut]);
    }

    #[test]
    fn wild_messages_do_not_panic(bytes in message()) {
        common::walk(&bytes);
    }
}

#[test]
fn the_sample_is_a_good_message() {
    assert_eq!(Message::parse(common::INVITE).unwrap().check(), Ok(()));
    common::walk(common::INVITE);
}

/// A message whose lines are in order and whose values are anything.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        proptest::sample::select(vec![
            "Via",
            "v",
            "Route",
            "From",
            "To",
            "t",
            "Call-ID",
            "CSeq",
            "Contact",
            "Max-Forwards",
            "Content-Length",
            "l",
            "Record-Route",
            "Authorization",
            "X-Remove",
        ])
        .prop_map(String::from),
        "[a-zA-Z0-9.!%*_+`'~-]{1,20}",
    ];
    let value = prop_oneof![
        "[ -~]{0,60}",
        "SIP/2[.]0/UDP [a-z]{1,5}(:[0-9]{1,5})?(;rport)?(;branch=[a-zA-Z0-9]{0,8})?(, *SIP/2[.]0/TCP h)?",
        "(\"[ -~]{0,9}\" )?<sip:[a-z]{1,4}@h(;lr)?>(;tag=[a-z0-9]{0,5})?(, *<sip:x>)?",
        "[0-9]{1,12}( INVITE)?",
    ];
    let gap = proptest::sample::select(vec!["", " ", "  ", "\t", "\r\n ", " \r\n\t"]);
    let line = (name, gap.clone(), value, gap).prop_map(|(name, before, value, after)| {
        let fold = if before.contains('\n') { "" } else { before };
        format!("{name}{fold}:{before}{value}{after}\r\n")
    });
    let start = prop_oneof![
        "[A-Z]{1,9} sip:[a-z]{1,9}@[a-z]{1,9} SIP/2[.]0",
        "SIP/2[.]0 [1-6][0-9][0-9] [ -~]{0,20}",
    ];
    let lines = proptest::collection::vec(line, 0..40);
    let body = proptest::collection::vec(any::<u8>(), 0..100);
    (start, lines, body).prop_map(|(start, lines, body)| {
        let mut bytes = format!("{start}\r\n{}\r\n", lines.concat()).into_bytes();
        bytes.extend(body);
        bytes
    })
}
