//! Includes: one stream of tokens out of many files (spec §1.4).

use super::Tok;
use crate::diagnostic::Report;
use crate::lexer::{LexError, Token, unescape};
use crate::limits::{FILE_BYTES_MAX, FILES_MAX, INCLUDE_DEPTH_MAX, INCLUDE_PATH_MAX, TOKENS_MAX};
use crate::source::{Files, Sources, Span};
use logos::Logos;

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
    let mut lexer = Token::lexer(&text);
    while let Some(token) = lexer.next() {
        let range = lexer.span();
        let span = Span { file, start: range.start as u32, end: range.end as u32 };
        match token {
            Ok(Token::Comment) => {}
            Ok(Token::Word)
                if matches!(lexer.slice(), "include_file" | "import_file")
                    && first_on_line(&text, range.start) =>
            {
                let keyword = lexer.slice();
                let line_len = lexer.remainder().find('\n').unwrap_or(lexer.remainder().len());
                let line = &lexer.remainder()[..line_len];
                match include_path(line) {
                    Some(wanted) if wanted.len() <= INCLUDE_PATH_MAX => {
                        if depth >= INCLUDE_DEPTH_MAX || files.len() >= FILES_MAX {
                            let message = format!(
                                "more than {INCLUDE_DEPTH_MAX} files include each other, or more \
                                 than {FILES_MAX} files"
                            );
                            report.error(span, message);
                        } else {
                            match sources.read(&wanted, Some(path)) {
                                Ok(inner) => {
                                    let at = Some((file, files.line(span)));
                                    read(
                                        &wanted,
                                        inner,
                                        at,
                                        depth + 1,
                                        sources,
                                        files,
                                        report,
                                        tokens,
                                    );
                                }
                                Err(reason) => {
                                    let whole = span.part(0, keyword.len() + line.trim_end().len());
                                    report
                                        .error(whole, format!("cannot read `{wanted}`: {reason}"));
                                }
                            }
                        }
                    }
                    Some(_) => {
                        report
                            .error(span, format!("a path may have {INCLUDE_PATH_MAX} characters"));
                    }
                    None => report.error(span, format!("`{keyword}` needs a quoted path")),
                }
                lexer.bump(line_len);
            }
            Ok(token) if tokens.len() < TOKENS_MAX => tokens.push(Tok { token, span }),
            Ok(_) => return report.error(span, format!("more than {TOKENS_MAX} tokens")),
            Err(error) => {
                let first = text[range.clone()].find('\n').unwrap_or(range.len());
                report.error(span.part(0, first), error.message());
                report.cut_short |= matches!(error, LexError::OpenComment | LexError::OpenString);
            }
        }
    }
}

fn first_on_line(text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
    text[line..at].bytes().all(|b| b.is_ascii_whitespace())
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
