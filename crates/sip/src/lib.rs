//! SIP messages: lazy, zero-copy parsing, typed headers, URIs, edits and rendering.
//!
//! # Reading
//!
//! [`Message::parse`] makes one scan over borrowed bytes. It finds the start line and the header
//! lines, resolves their names, and reads nothing else. A *view* is made when it is asked for:
//! [`Via`], [`NameAddr`] (From, To, Route …), [`CSeq`], [`Uri`], [`Params`]. Views hold slices of
//! the received bytes, allocate nothing, and outlive the [`Message`]; [`Message::span_of`] tells
//! where a slice stands. Everything is bytes: SIP texts need not be UTF-8.
//!
//! What is wrong is told in three steps, each with the status that answers it:
//! 1. [`ParseError`]: not even the lines can be told apart. With a status, the sender can be
//!    answered from what [`Message::salvage`] reads; without, the bytes are dropped.
//! 2. [`CheckError`] from [`Message::check`]: what every message must have, and the body's length.
//! 3. [`HeaderError`] and [`UriError`]: a view that was asked for cannot be made.
//!
//! # Changing
//!
//! A message is never changed in place. [`Edits`] records insertions, removals and replacements
//! against the received bytes, by hand or through a [`Draft`], which knows the changes by name.
//! [`render`] writes the message out with any number of edits in layers (those of the message,
//! those of one branch) in a single pass. What no edit names leaves bit for bit; Content-Length
//! follows a body that changes. A body may consist of [`Parts`], which come and go as a whole;
//! [`Sdp`] reads what most bodies are.
//!
//! ```
//! use duologue_sip::{Edits, Message, render};
//!
//! let bytes = b"OPTIONS sip:bob@example.com SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;rport\r\n\
//!     From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\n\
//!     Call-ID: 7\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n";
//! let message = Message::parse(bytes)?;
//! message.check()?;
//! assert_eq!(message.from()?.tag(), Some(&b"1"[..]));
//!
//! let mut edits = Edits::new();
//! let mut draft = edits.draft(&message);
//! draft.decrement_max_forwards()?;
//! draft.push_via(&[b"SIP/2.0/UDP proxy.example.com;branch=z9hG4bKb"]);
//! let mut out = Vec::new();
//! render(message.framed(), &[&edits], &mut out);
//!
//! let sent = Message::parse(&out)?;
//! assert_eq!(sent.max_forwards()?, Some(69));
//! assert_eq!(sent.vias().count(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Making
//!
//! [`Reply`] answers a request, [`write_ack`] and [`write_cancel`] make the hop's own requests out
//! of an INVITE as it was sent, [`Builder`] makes the rest. All append to the caller's buffer.
//!
//! # Limits
//!
//! [`Limits`] and its constants bound what is read; [`EDITS_MAX`] and [`EDIT_OCTETS_MAX`] bound
//! what is recorded.
//! Digest arithmetic is not here yet; [`Auth`] reads the headers.

mod auth;
mod body;
mod builder;
mod check;
mod cseq;
mod draft;
mod edits;
mod error;
mod flow;
mod grammar;
mod hop;
mod limits;
mod message;
mod method;
mod name_addr;
mod names;
mod params;
mod parts;
mod reply;
mod scan;
mod sdp;
mod span;
mod start_line;
mod status;
mod time;
mod transport;
mod uri;
mod uri_equality;
mod uri_rewrite;
mod values;
mod via;

pub use auth::Auth;
pub use body::AddedPart;
pub use builder::Builder;
pub use check::CheckError;
pub use cseq::{CSeq, RAck};
pub use draft::{Draft, MAX_FORWARDS_DEFAULT};
pub use edits::{EDIT_OCTETS_MAX, EDITS_MAX, Edits, render, render_body, render_span};
pub use error::{HeaderError, ParseError, ParseFault, UriError};
pub use flow::Flow;
pub use hop::{write_ack, write_cancel};
pub use limits::{HEADER_LINES_MAX, HEADER_OCTETS_MAX, Limits, MESSAGE_OCTETS_MAX, URI_OCTETS_MAX};
pub use message::{Header, Message, unfold};
pub use method::Method;
pub use name_addr::{Contact, NameAddr};
pub use names::{HeaderName, HeaderRef};
pub use params::{Param, Params, unquote};
pub use parts::{PARTS_MAX, Part, Parts, is_media_type};
pub use reply::Reply;
pub use sdp::{Codecs, Media, PAYLOAD_TYPES, Rtpmap, Sdp, SdpLine};
pub use span::Span;
pub use start_line::StartLine;
pub use status::StatusCode;
pub use time::{Moment, Tick};
pub use transport::Transport;
pub use uri::{Scheme, Uri, host_ip};
pub use uri_rewrite::UriRewrite;
pub use values::{ListValues, Value, Values};
pub use via::{BRANCH_COOKIE, Rport, Via};
