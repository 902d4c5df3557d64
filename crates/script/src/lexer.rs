//! From text to tokens (spec §1). Plain tokens by `logos`; comments that nest, strings and
//! variables by hand.

use logos::{Lexer, Logos};

/// The kinds of tokens. Their text is in the file.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\f]+", skip r"\\\r?\n", skip(r"#[^\n]*", allow_greedy = true))]
#[logos(error = LexError)]
pub(crate) enum Token {
    #[token("/*", comment)]
    Comment,
    #[regex("[A-Za-z_][A-Za-z0-9_]*")]
    Word,
    #[regex("0[xX][0-9a-fA-F]+|[0-9]+")]
    Number,
    #[regex(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(/[0-9.]+)?", priority = 20)]
    #[regex(r"[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(/[0-9]+)?", priority = 19)]
    Address,
    #[token("$", variable)]
    Variable,
    #[token("\"", quoted)]
    Text,
    #[token("'", raw)]
    Raw,
    #[token("(")]
    Open,
    #[token(")")]
    Close,
    #[token("{")]
    BraceOpen,
    #[token("}")]
    BraceClose,
    #[token("[")]
    BracketOpen,
    #[token("]")]
    BracketClose,
    #[token(";")]
    Semicolon,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token(".")]
    Dot,
    #[token("=")]
    Assign,
    #[token(":=")]
    AssignAll,
    #[token("+=")]
    PlusAssign,
    #[token("-=")]
    MinusAssign,
    #[token("*=")]
    TimesAssign,
    #[token("/=")]
    DivideAssign,
    #[token("%=")]
    ModuloAssign,
    #[token("&=")]
    AndAssign,
    #[token("|=")]
    OrAssign,
    #[token("^=")]
    XorAssign,
    #[token("==")]
    Equal,
    #[token("!=")]
    NotEqual,
    #[token("<=")]
    LessEqual,
    #[token(">=")]
    GreaterEqual,
    #[token("<")]
    Less,
    #[token(">")]
    Greater,
    #[token("=~")]
    Match,
    #[token("!~")]
    NotMatch,
    #[token("&&")]
    AndAnd,
    #[token("||")]
    OrOr,
    #[token("!")]
    Not,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("&")]
    And,
    #[token("|")]
    Or,
    #[token("^")]
    Xor,
    #[token("~")]
    Tilde,
    #[token("<<")]
    ShiftLeft,
    #[token(">>")]
    ShiftRight,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LexError {
    #[default]
    Unknown,
    OpenComment,
    OpenString,
    OpenVariable,
    NoVariable,
}

impl LexError {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Unknown => "this character means nothing here",
            Self::OpenComment => "this comment is never closed",
            Self::OpenString => "this string is never closed",
            Self::OpenVariable => "this variable is never closed, a `)` is missing",
            Self::NoVariable => "a variable name is missing behind `$`",
        }
    }
}

/// Comments nest.
fn comment(lexer: &mut Lexer<'_, Token>) -> Result<(), LexError> {
    let rest = lexer.remainder().as_bytes();
    let mut depth = 1;
    let mut at = 0;
    while depth > 0 {
        match (rest.get(at), rest.get(at + 1)) {
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                at += 2;
            }
            (Some(b'/'), Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (Some(_), _) => at += 1,
            (None, _) => {
                lexer.bump(rest.len());
                return Err(LexError::OpenComment);
            }
        }
    }
    lexer.bump(at);
    Ok(())
}

fn quoted(lexer: &mut Lexer<'_, Token>) -> Result<(), LexError> {
    let rest = lexer.remainder().as_bytes();
    let mut at = 0;
    loop {
        match rest.get(at) {
            Some(b'"') => break,
            Some(b'\\') if at + 1 < rest.len() => at += 2,
            Some(_) => at += 1,
            None => {
                lexer.bump(rest.len());
                return Err(LexError::OpenString);
            }
        }
    }
    lexer.bump(at + 1);
    Ok(())
}

fn raw(lexer: &mut Lexer<'_, Token>) -> Result<(), LexError> {
    match lexer.remainder().find('\'') {
        Some(len) => {
            lexer.bump(len + 1);
            Ok(())
        }
        None => {
            lexer.bump(lexer.remainder().len());
            Err(LexError::OpenString)
        }
    }
}

fn variable(lexer: &mut Lexer<'_, Token>) -> Result<(), LexError> {
    match variable_len(lexer.remainder().as_bytes()) {
        Ok(0) => Err(LexError::NoVariable),
        Ok(len) => {
            lexer.bump(len);
            Ok(())
        }
        Err(error) => {
            // Go on at the next line: the rest of the file is fine.
            let rest = lexer.remainder();
            lexer.bump(rest.find('\n').unwrap_or(rest.len()));
            Err(error)
        }
    }
}

/// The length of a variable behind its `$`: a name with an optional parenthesis, or a
/// parenthesis alone, or a second `$`.
pub(crate) fn variable_len(rest: &[u8]) -> Result<usize, LexError> {
    if rest.first() == Some(&b'$') {
        return Ok(1);
    }
    let name = rest.iter().take_while(|&&b| is_name_byte(b)).count();
    if rest.get(name) != Some(&b'(') {
        return Ok(name);
    }
    balanced(&rest[name..], b'(', b')').map(|len| name + len).ok_or(LexError::OpenVariable)
}

/// The length of a bracketed part, brackets included; a backslash hides the next byte.
pub(crate) fn balanced(text: &[u8], open: u8, close: u8) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            byte if byte == open => depth += 1,
            byte if byte == close => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Spec §1.3: the dot is a name character.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.'
}

/// The text of a `"…"` string without its quotes, escapes processed (spec §1.1).
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let octal =
        |b: Option<&u8>| b.filter(|b| (b'0'..=b'7').contains(*b)).map(|b| u32::from(b - b'0'));
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let next = bytes.get(at + 1);
        let simple = match next {
            Some(b'n') => Some(b'\n'),
            Some(b'r') => Some(b'\r'),
            Some(b'a') => Some(7),
            Some(b't') => Some(b'\t'),
            Some(b'"') => Some(b'"'),
            Some(b'\\') => Some(b'\\'),
            _ => None,
        };
        if let Some(byte) = simple {
            out.push(byte);
            at += 2;
        } else if next == Some(&b'\n') {
            at += 2;
        } else if next == Some(&b'\r') && bytes.get(at + 2) == Some(&b'\n') {
            at += 3;
        } else if let (Some(b'x'), Some(high)) = (next, hex(bytes.get(at + 2))) {
            let low = hex(bytes.get(at + 3));
            out.push(low.map_or(high, |low| high * 16 + low) as u8);
            at += if low.is_some() { 4 } else { 3 };
        } else if let (Some(a), Some(b)) = (octal(next), octal(bytes.get(at + 2))) {
            // A single digit stays, so that back-references of patterns survive.
            let c = octal(bytes.get(at + 3)).filter(|_| a <= 3);
            out.push(c.map_or(a * 8 + b, |c| a * 64 + b * 8 + c) as u8);
            at += if c.is_some() { 4 } else { 3 };
        } else {
            out.push(b'\\');
            at += 1;
        }
    }
    out
}

/// A number as written: decimal, `0x…`, `0…` octal; 32 bits.
pub(crate) fn number(text: &str) -> Option<i32> {
    let value = if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok()?
    } else if text.len() > 1 && text.starts_with('0') {
        i64::from_str_radix(text, 8).ok()?
    } else {
        text.parse().ok()?
    };
    // Hexadecimal masks may use the sign bit; −2147483648 is written as 2147483648 with a minus.
    u32::try_from(value).ok().map(|n| n as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Token, &str)> {
        Token::lexer(text)
            .spanned()
            .map(|(token, range)| (token.unwrap(), &text[range]))
            .filter(|(token, _)| *token != Token::Comment)
            .collect()
    }

    #[test]
    fn section_1_comments_nest() {
        assert_eq!(tokens("a /* b /* c */ d */ e # f").len(), 2);
        assert_eq!(Token::lexer("/* /* */").next(), Some(Err(LexError::OpenComment)));
    }

    #[test]
    fn section_1_2_variables_end_where_they_should() {
        let found = tokens("$var(x){s.len} $(var(x){s.len}) $avp($var(n)); $rc]$a=1");
        let texts: Vec<_> = found.iter().filter(|t| t.0 == Token::Variable).map(|t| t.1).collect();
        assert_eq!(texts, ["$var(x)", "$(var(x){s.len})", "$avp($var(n))", "$rc", "$a"]);
    }

    #[test]
    fn section_1_addresses_and_numbers() {
        let kinds: Vec<_> = tokens("10.0.0.1 10.0.0.0/8 ::1 2001:db8::/32 case 5: 0x1F 0660")
            .into_iter()
            .map(|t| t.0)
            .collect();
        use Token::{Address, Colon, Number, Word};
        assert_eq!(
            kinds,
            [Address, Address, Address, Address, Word, Number, Colon, Number, Number]
        );
        assert_eq!(number("0x1F"), Some(31));
        assert_eq!(number("0660"), Some(432));
        assert_eq!(number("4294967296"), None);
        assert_eq!(number("09"), None);
    }

    #[test]
    fn section_1_1_escapes() {
        assert_eq!(unescape(r#"a\n\t\"\\\x41\101\1\d"#), b"a\n\t\"\\AA\\1\\d");
        assert_eq!(unescape("a\\\nb"), b"ab");
    }
}
