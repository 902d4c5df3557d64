//! Codecs of a session description: asked for, taken out, put in another order.

use duologue_script::{Args, Called, Pattern};
use duologue_sip::{Codecs, Media, Rtpmap, Sdp};

use super::yes_or_no;
use crate::context::Context;
use crate::session_description::{SessionDescription, TextChanges, place_in};

/// Which codecs are meant.
#[derive(Clone, Copy, Debug)]
enum Which<'a> {
    /// Of this name, and of this clock rate if one is given.
    Named(&'a [u8], Option<&'a [u8]>),
    /// Whose name the pattern is found in.
    Matching(&'a Pattern),
    /// All others.
    Others(&'a Pattern),
}

/// What becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Delete,
    MoveUp,
    MoveDown,
}

pub(super) fn codec_exists(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    exists(ctx, named(args))
}

pub(super) fn codec_exists_re(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    exists(ctx, args.regex(0).map(Which::Matching))
}

pub(super) fn codec_delete(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    change(ctx, named(args), Change::Delete)
}

pub(super) fn codec_delete_re(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    change(ctx, args.regex(0).map(Which::Matching), Change::Delete)
}

pub(super) fn codec_delete_except_re(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    change(ctx, args.regex(0).map(Which::Others), Change::Delete)
}

pub(super) fn codec_move_up(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    change(ctx, named(args), Change::MoveUp)
}

pub(super) fn codec_move_up_re(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    change(ctx, args.regex(0).map(Which::Matching), Change::MoveUp)
}

pub(super) fn codec_move_down(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    change(ctx, named(args), Change::MoveDown)
}

pub(super) fn codec_move_down_re(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    change(ctx, args.regex(0).map(Which::Matching), Change::MoveDown)
}

fn named<'a>(args: &Args<'a>) -> Option<Which<'a>> {
    let clock = args.str(1).filter(|clock| !clock.is_empty());
    Some(Which::Named(args.str(0)?, clock))
}

fn exists(ctx: &Context<'_>, which: Option<Which<'_>>) -> Called {
    let (Some(which), Some(description)) = (which, SessionDescription::of(ctx)) else {
        return Called::Value(-1);
    };
    yes_or_no(Sdp::new(&description.text).media().filter(|media| media.is_rtp()).any(|media| {
        let codecs = media.codecs();
        media.formats().any(|format| which.picks(codecs.get(format)))
    }))
}

fn change(ctx: &mut Context<'_>, which: Option<Which<'_>>, change: Change) -> Called {
    let (Some(which), Some(description)) = (which, SessionDescription::of(ctx)) else {
        return Called::Value(-1);
    };
    let text = &*description.text;
    let (mut found, mut changes) = (false, Vec::new());
    for media in Sdp::new(text).media().filter(|media| media.is_rtp()) {
        if description.is_removed(ctx, place_in(media.as_sdp().as_bytes(), text)) {
            continue;
        }
        // The order that earlier calls have left.
        let list = description.present(ctx, place_in(media.format_list(), text));
        found |= change_stream(text, media, &list, which, change, &mut changes);
    }
    yes_or_no(found && description.change(ctx, &changes))
}

/// The changes to one stream; false if it has no such codec.
fn change_stream(
    text: &[u8],
    media: Media<'_>,
    list: &[u8],
    which: Which<'_>,
    change: Change,
    changes: &mut TextChanges,
) -> bool {
    let codecs = media.codecs();
    let formats = list.split(|&byte| byte == b' ').filter(|format| !format.is_empty());
    let (picked, others): (Vec<&[u8]>, Vec<&[u8]>) =
        formats.partition(|format| which.picks(codecs.get(format)));
    if picked.is_empty() {
        return false;
    }
    let place = place_in(media.format_list(), text);
    match change {
        Change::MoveUp => changes.push((place, joined(&picked, &others))),
        Change::MoveDown => changes.push((place, joined(&others, &picked))),
        // RFC 3264 §6: what has no codec left is refused, and still lists a format.
        Change::Delete if others.is_empty() => {
            changes.push((place_in(media.port(), text), b"0".to_vec()));
        }
        Change::Delete => {
            changes.push((place, joined(&others, &[])));
            remove_attributes(text, media, &codecs, which, changes);
        }
    }
    true
}

/// Removes the lines about the codecs that are meant.
fn remove_attributes(
    text: &[u8],
    media: Media<'_>,
    codecs: &Codecs<'_>,
    which: Which<'_>,
    changes: &mut TextChanges,
) {
    for line in media.as_sdp().lines() {
        // RFC 4585 §4.2: a star speaks of all formats.
        let format = line.described_format().filter(|format| *format != b"*");
        if format.is_some_and(|format| which.picks(codecs.get(format))) {
            changes.push((place_in(line.whole, text), Vec::new()));
        }
    }
}

fn joined(first: &[&[u8]], then: &[&[u8]]) -> Vec<u8> {
    [first, then].concat().join(&b' ')
}

impl Which<'_> {
    fn picks(self, codec: Option<Rtpmap<'_>>) -> bool {
        match self {
            Self::Named(name, clock) => codec.is_some_and(|codec| {
                codec.name.eq_ignore_ascii_case(name)
                    && clock.is_none_or(|clock| clock == codec.clock)
            }),
            Self::Matching(pattern) => codec.is_some_and(|codec| pattern.is_match(codec.name)),
            Self::Others(_) => !self.opposite().picks(codec),
        }
    }

    const fn opposite(self) -> Self {
        match self {
            Self::Others(pattern) => Self::Matching(pattern),
            which => which,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duologue_script::PatternFlags;

    const SDP: &str = "v=0\r\nm=audio 4000 RTP/AVP 0 8  96 97 101\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:96 speex/8000\r\na=rtpmap:97 speex/16000\r\na=fmtp:97 mode=any\r\n\
        a=rtcp-fb:* nack\r\na=rtpmap:101 telephone-event/8000\r\n\
        m=image 0 udptl t38\r\n";

    fn pattern(text: &str) -> Pattern {
        Pattern::compile(text.as_bytes(), PatternFlags::PARAMETER).unwrap()
    }

    /// The description after a change to its first stream, if that has such a codec.
    fn changed(which: Which<'_>, change: Change) -> Option<String> {
        let media = Sdp::new(SDP.as_bytes()).media().next().unwrap();
        let mut changes = Vec::new();
        let list = media.format_list();
        if !change_stream(SDP.as_bytes(), media, list, which, change, &mut changes) {
            return None;
        }
        let mut text = SDP.to_owned();
        for (place, new) in changes.into_iter().rev() {
            text.replace_range(place, std::str::from_utf8(&new).unwrap());
        }
        Some(text)
    }

    fn without(text: &str, lines: &[&str]) -> String {
        text.split_inclusive('\n').filter(|line| !lines.contains(&line.trim_end())).collect()
    }

    /// spec/modules.md §6, `codec_delete`: by name, by name and clock, static types too.
    #[test]
    fn codecs_are_deleted_with_their_lines() {
        let formats = |list: &str| SDP.replace("0 8  96 97 101", list);
        let named = |name: &'static str, clock: Option<&'static str>| {
            changed(Which::Named(name.as_bytes(), clock.map(str::as_bytes)), Change::Delete)
        };
        assert_eq!(named("pcmu", None), Some(formats("8 96 97 101")));
        let speex = ["a=rtpmap:96 speex/8000", "a=rtpmap:97 speex/16000", "a=fmtp:97 mode=any"];
        assert_eq!(named("speex", None), Some(without(&formats("0 8 101"), &speex)));
        assert_eq!(
            named("Speex", Some("16000")),
            Some(without(&formats("0 8 96 101"), &speex[1..]))
        );
        assert_eq!(named("speex", Some("32000")), None);
        assert_eq!(named("t38", None), None);
    }

    /// spec/modules.md §6, `codec_delete_re`, `codec_delete_except_re`.
    #[test]
    fn codecs_are_picked_by_patterns() {
        let formats = |list: &str| SDP.replace("0 8  96 97 101", list);
        let (law, rest) = (pattern("^pcm[ua]$"), pattern("PCM|event"));
        let gone = changed(Which::Matching(&law), Change::Delete);
        assert_eq!(gone, Some(without(&formats("96 97 101"), &["a=rtpmap:8 PCMA/8000"])));
        let speex = ["a=rtpmap:96 speex/8000", "a=rtpmap:97 speex/16000", "a=fmtp:97 mode=any"];
        let gone = changed(Which::Others(&rest), Change::Delete);
        assert_eq!(gone, Some(without(&formats("0 8 101"), &speex)));
    }

    /// RFC 3264 §6.
    #[test]
    fn a_stream_without_codecs_is_refused() {
        let all = pattern(".");
        let refused = changed(Which::Matching(&all), Change::Delete);
        assert_eq!(refused, Some(SDP.replace("audio 4000", "audio 0")));
    }

    /// spec/modules.md §6, `codec_move_up`, `codec_move_down`.
    #[test]
    fn codecs_are_put_in_another_order() {
        let formats = |list: &str| SDP.replace("0 8  96 97 101", list);
        let speex = pattern("speex");
        let named = Which::Named(b"PCMA", None);
        assert_eq!(changed(named, Change::MoveUp), Some(formats("8 0 96 97 101")));
        assert_eq!(changed(named, Change::MoveDown), Some(formats("0 96 97 101 8")));
        let all = Which::Matching(&speex);
        assert_eq!(changed(all, Change::MoveUp), Some(formats("96 97 0 8 101")));
        assert_eq!(changed(all, Change::MoveDown), Some(formats("0 8 101 96 97")));
    }
}
