//! Includes: one stream of tokens out of many files (spec §1.4).

use super::Tok;
use crate::diagnostic::Report;
use crate::lexer::{LexError, unescape};
use crate::limits::{FILE_BYTES_MAX, FILES_MAX, INCLUDE_DEPTH_MAX, INCLUDE_PATH_MAX, TOKENS_MAX};
use crate::source::{Files, Sources, Span};
use crate::trivia::{Kind, Piece, Pieces};

pub(crate) fn flatten<S: Sources + ?Sized>(
    path: &str,
    sources: &S,
    files: &mut Files,
    report: &mut Report,
) -> Vec<Tok> {
    let mut tokens = Vec::new();
    match sources.read(path, None) {
        Ok(text) => read(path, text, None, 1, sources, files, report, &mut tokens),
        Err(reason) => {
            files.add(path, String::new(), None);
            report.error(Span::default(), format!("cannot read `{path}`: {reason}"));
        }
    }
    tokens
}

#[allow(clippy::too_many_arguments)] // One recursion; a struct would only rename them.
fn read<S: Sources + ?Sized>(
    path: &str,
    text: String,
    included: Option<(u16, u32)>,
    depth: usize,
    sources: &S,
    files: &mut Files,
    report: &mut Report,
    tokens: &mut Vec<Tok>,
) {
    let too_big = text.len() > FILE_BYTES_MAX;
    let nul = text.find('\0');
    let file = files.add(path, if too_big { String::new() } else { text.clone() }, included);
    if too_big {
        let message = format!("`{path}` is larger than {FILE_BYTES_MAX} bytes");
        return report.error(Span { file, start: 0, end: 0 }, message);
    }
    if let Some(at) = nul {
        let span = Span { file, start: at as u32, end: at as u32 + 1 };
        return report.error(span, "a NUL byte in the file");
    }
    for Piece { kind, range, .. } in Pieces::of(&text) {
        let span = Span { file, start: range.start as u32, end: range.end as u32 };
        match kind {
            Ok(Kind::LineComment | Kind::BlockComment) => {}
            Ok(Kind::Include) => {
                let whole = &text[range];
                let keyword = &whole[..whole.find(|c: char| !is_word(c)).unwrap_or(whole.len())];
                let head = span.part(0, keyword.len());
                match include_path(&whole[keyword.len()..]) {
                    Some(wanted) if wanted.len() <= INCLUDE_PATH_MAX => {
                        if depth >= INCLUDE_DEPTH_MAX || files.len() >= FILES_MAX {
                            let message = format!(
                                "more than {INCLUDE_DEPTH_MAX} files include each other, or more \
                                 than {FILES_MAX} files"
                            );
                            report.error(head, message);
                            continue;
                        }
                        match sources.read(&wanted, Some(path)) {
                            Ok(inner) => {
                                let at = Some((file, files.line(span)));
                                let depth = depth + 1;
                                read(&wanted, inner, at, depth, sources, files, report, tokens);
                            }
                            Err(reason) => {
                                report.error(span, format!("cannot read `{wanted}`: {reason}"));
                            }
                        }
                    }
                    Some(_) => {
                        report
                            .error(head, format!("a path may have {INCLUDE_PATH_MAX} characters"));
                    }
                    None => report.error(head, format!("`{keyword}` needs a quoted path")),
                }
            }
            Ok(Kind::Token(token)) if tokens.len() < TOKENS_MAX => tokens.push(Tok { token, span }),
            Ok(Kind::Token(_)) => {
                return report.error(span, format!("more than {TOKENS_MAX} tokens"));
            }
            Err(error) => {
                let first = text[range.clone()].find('\n').unwrap_or(range.len());
                report.error(span.part(0, first), error.message());
                report.cut_short |= matches!(error, LexError::OpenComment | LexError::OpenString);
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn include_path(line: &str) -> Option<String> {
    let line = line.trim_start();
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inside = &line[1..];
    let end = inside.find(quote)?;
    if quote == '\'' {
        return Some(inside[..end].to_owned());
    }
    String::from_utf8(unescape(&inside[..end])).ok()
}
