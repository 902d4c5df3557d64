//! Streams of a session description.

use duologue_script::{Args, Called, Pattern};
use duologue_sip::{Media, Sdp};

use super::yes_or_no;
use crate::context::Context;
use crate::session_description::{SessionDescription, TextChanges, place_in};

/// How many streams are of a kind, and of a transport if one is given.
pub(super) fn stream_exists(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(kind), Some(description)) = (args.regex(0), SessionDescription::of(ctx)) else {
        return Called::Value(-1);
    };
    let streams = Sdp::new(&description.text).media();
    count(streams.filter(|media| fits(*media, kind, args.regex(1))).count())
}

/// Removes them with all their lines; tells how many.
pub(super) fn stream_delete(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(kind), Some(description)) = (args.regex(0), SessionDescription::of(ctx)) else {
        return Called::Value(-1);
    };
    let text = &*description.text;
    let changes: TextChanges = Sdp::new(text)
        .media()
        .filter(|media| fits(*media, kind, args.regex(1)))
        .map(|media| place_in(media.as_sdp().as_bytes(), text))
        .filter(|place| !description.is_removed(ctx, place.clone()))
        .map(|place| (place, Vec::new()))
        .collect();
    if changes.is_empty() || !description.change(ctx, &changes) {
        return Called::Value(-1);
    }
    count(changes.len())
}

/// 1: to an address of zeros (RFC 2543); 2: by direction (RFC 3264 §8.4).
pub(super) fn is_audio_on_hold(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let Some(description) = SessionDescription::of(ctx) else { return Called::Value(-1) };
    Called::Value(match hold(Sdp::new(&description.text)) {
        Some(Hold::Address) => 1,
        Some(Hold::Direction) => 2,
        None => -1,
    })
}

fn fits(media: Media<'_>, kind: &Pattern, transport: Option<&Pattern>) -> bool {
    kind.is_match(media.kind())
        && transport.is_none_or(|transport| transport.is_match(media.transport()))
}

fn count(streams: usize) -> Called {
    match i32::try_from(streams) {
        Ok(0) | Err(_) => yes_or_no(false),
        Ok(streams) => Called::Value(streams),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Address,
    Direction,
}

/// How the first audio stream that is on hold is.
fn hold(sdp: Sdp<'_>) -> Option<Hold> {
    let session = sdp.session();
    let by_direction = |part: Sdp<'_>| {
        let held = part.has_attribute(b"sendonly") || part.has_attribute(b"inactive");
        let active = part.has_attribute(b"sendrecv") || part.has_attribute(b"recvonly");
        (held || active).then_some(held)
    };
    let (address, held) = (session.connection(), by_direction(session));
    let audio = sdp.media().filter(|media| media.kind().eq_ignore_ascii_case(b"audio"));
    audio.map(Media::as_sdp).find_map(|stream| {
        // What a stream says of itself counts for it (RFC 8866 §5.7, §6.7).
        if stream.connection().or(address).is_some_and(|address| address.is_unspecified()) {
            Some(Hold::Address)
        } else {
            by_direction(stream).or(held).unwrap_or_default().then_some(Hold::Direction)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §6, `is_audio_on_hold`.
    #[test]
    fn hold_by_address_and_by_direction() {
        let hold = |session: &str, stream: &str| {
            let text = format!(
                "v=0\r\n{session}m=video 1 RTP/AVP 31\r\na=inactive\r\nm=audio 2 RTP/AVP 0\r\n{stream}"
            );
            super::hold(Sdp::new(text.as_bytes()))
        };
        for (session, stream, wanted) in [
            ("c=IN IP4 192.0.2.1\r\n", "", None),
            ("c=IN IP4 0.0.0.0\r\n", "", Some(Hold::Address)),
            ("c=IN IP4 0.0.0.0\r\n", "c=IN IP4 192.0.2.1\r\n", None),
            ("", "c=IN IP6 ::\r\n", Some(Hold::Address)),
            ("", "a=sendonly\r\n", Some(Hold::Direction)),
            ("", "a=inactive\r\n", Some(Hold::Direction)),
            ("", "a=recvonly\r\n", None),
            ("a=sendonly\r\n", "", Some(Hold::Direction)),
            ("a=sendonly\r\n", "a=sendrecv\r\n", None),
            ("", "m=audio 3 RTP/AVP 0\r\na=sendonly\r\n", Some(Hold::Direction)),
        ] {
            assert_eq!(hold(session, stream), wanted, "{session}{stream}");
        }
        assert_eq!(super::hold(Sdp::new(b"v=0\r\na=sendonly\r\n")), None, "no audio");
    }
}
