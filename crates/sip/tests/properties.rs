//! What holds for all messages: parse, render, parse is the identity, and no bytes panic.

mod common;

use duologue_sip::{
    AddedPart, Edits, HeaderName, Message, PARTS_MAX, Sdp, Span, render, render_body,
};
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

    // RFC 3261 §20.14: Content-Length tells the length, whatever happened to the body; all else
    // stays as it was.
    #[test]
    fn the_length_follows_the_body_and_nothing_else_changes(
        body in proptest::collection::vec(any::<u8>(), 0..80),
        changes in proptest::collection::vec((0_usize..90, 0_usize..9, "[ -~]{0,12}"), 1..8),
    ) {
        let bytes = with_body("application/sdp", &body);
        let message = Message::parse(&bytes).unwrap();
        let start = bytes.len() - body.len();
        let mut edits = Edits::new();
        let mut plain = Edits::new();
        for (at, len, text) in &changes {
            let at = start + at.min(&body.len());
            let span = Span::new(at, (at + len).min(bytes.len()));
            edits.draft(&message).change(span, &[text.as_bytes()]);
            plain.replace(span, &[text.as_bytes()]);
        }
        let (mut out, mut wanted) = (Vec::new(), Vec::new());
        render(&bytes, &[&edits], &mut out);
        render(&bytes, &[&plain], &mut wanted);
        let edited = Message::parse(&out).unwrap();
        prop_assert_eq!(edited.content_length().unwrap(), Some(edited.rest().len() as u32));
        prop_assert_eq!(edited.rest(), &wanted[start..]);
        let mut alone = Vec::new();
        render_body(&message, &[&edits], &mut alone);
        prop_assert_eq!(edited.rest(), &alone[..]);
        let head = |bytes: &[u8]| {
            let message = Message::parse(bytes).unwrap();
            let lines = message.headers().filter(|it| *it != HeaderName::ContentLength);
            lines.flat_map(|it| it.line().to_vec()).collect::<Vec<_>>()
        };
        prop_assert_eq!(head(&out), head(&bytes));
    }

    #[test]
    fn parts_that_come_and_go_again_leave_the_message_as_it_was(
        body in "(--x(--)?\r\n|Content-Type: a/b\r\n|\r\n|[ -~]{0,9}){0,12}",
        multipart in any::<bool>(),
        added in proptest::collection::vec("[ -~]{0,20}", 0..4),
        removed in any::<u16>(),
    ) {
        let kind = if multipart { "multipart/mixed;boundary=x" } else { "text/plain" };
        let bytes = with_body(kind, body.as_bytes());
        let message = Message::parse(&bytes).unwrap();
        let before = message.parts();
        let mut edits = Edits::new();
        let mut comes = 0;
        for text in &added {
            let part = AddedPart {
                content_type: b"added/part".to_vec(),
                body: text.clone().into_bytes(),
                ..AddedPart::default()
            };
            comes += usize::from(edits.draft(&message).add_part(part));
        }
        let mut index = 0;
        let goes = edits.draft(&message).remove_parts(|kind| {
            index += 1;
            kind != Some(b"added/part") && removed & (1 << (index - 1)) != 0
        });
        let mut out = Vec::new();
        render(&bytes, &[&edits], &mut out);
        let edited = Message::parse(&out).unwrap();
        prop_assert_eq!(edited.check_framing(), Ok(()));
        prop_assert_eq!(edited.content_length().unwrap(), Some(edited.rest().len() as u32));
        if before.len() < PARTS_MAX && (comes > 0 || goes > 0) {
            let left = before.len() + comes - goes;
            // What is left alone may look like a multipart itself.
            prop_assert!(edited.parts().len() == left || left < 2, "{left}");
        }
        edits.draft(&message).remove_parts(|kind| kind == Some(b"added/part"));
        if goes == 0 {
            out.clear();
            render(&bytes, &[&edits], &mut out);
            prop_assert_eq!(&out, &bytes);
        }
    }

    #[test]
    fn session_descriptions_are_read_in_whole_lines(
        text in "([a-z]?=?[ -~]{0,9}(\r?\n)?|m=[a-z]{0,3} [0-9]{0,3} [A-Z/]{0,4} ?[0-9 ]{0,4}\r\n){0,9}",
    ) {
        let sdp = Sdp::new(text.as_bytes());
        let lines: Vec<u8> = sdp.lines().flat_map(|line| line.whole.to_vec()).collect();
        prop_assert_eq!(&lines, text.as_bytes());
        let blocks = sdp.media().flat_map(|media| media.as_sdp().as_bytes().to_vec());
        let all: Vec<u8> = sdp.session().as_bytes().iter().copied().chain(blocks).collect();
        prop_assert_eq!(&all, text.as_bytes());
        for media in sdp.media() {
            let codecs = media.codecs();
            let named = media.formats().filter(|format| codecs.get(format).is_some()).count();
            prop_assert!(named <= media.formats().count());
        }
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

/// A message with this body.
fn with_body(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "INFO sip:h SIP/2.0\r\nX: y\r\nContent-Type: {content_type}\r\nl: {}\r\nZ: z\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
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
