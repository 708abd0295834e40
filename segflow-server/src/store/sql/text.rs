//! What is refused before the text is parsed, and what the parser says.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, Tokenizer};

use super::dialect::Tight;
use super::place::{Got, Refused};

const LONGEST: usize = 16_000;

/// The parser nests one operator in the other without end, and whatever walks its tree needs a stack as deep.
const OPERATORS: usize = 500;

pub fn start(message: &str) -> Refused {
    Refused { line: 1, column: 1, length: usize::MAX, message: message.into() }
}

/// Comments that MySQL runs or obeys; the parser would take what is in them for the query, or lose it.
pub fn plain(sql: &str) -> Got<()> {
    if sql.len() > LONGEST {
        return Err(start("a segment's SQL is at most 16,000 bytes: take it apart into segments"));
    }
    let (mut line, mut column) = (1, 0);
    let mut quote: Option<char> = None;
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        column += 1;
        match (quote, c) {
            (Some(_), '\\') => {
                column += u64::from(chars.next().is_some());
            }
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '/') if chars.peek() == Some(&'*') => {
                let rest: String = chars.clone().skip(1).take(2).collect();
                if rest.starts_with(['!', '+']) || rest == "M!" {
                    let span = Span::new(Location::new(line, column), Location::new(line, column + 3));
                    return Err(Refused::at(
                        span,
                        "comments that MySQL obeys (/*! … */ and /*+ … */) cannot be used: remove it",
                    ));
                }
            }
            _ => {}
        }
        if c == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    operators(sql)
}

fn operators(sql: &str) -> Got<()> {
    // What cannot be taken for tokens the parser refuses, with the place.
    let Ok(tokens) = Tokenizer::new(&Tight, sql).tokenize_with_location() else { return Ok(()) };
    let mut nests = tokens.iter().filter(|token| match &token.token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::DIV
                | Keyword::MOD
                | Keyword::IS
                | Keyword::IN
                | Keyword::NOT
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::RLIKE
                | Keyword::REGEXP
                | Keyword::GLOB
                | Keyword::MATCH
                | Keyword::SIMILAR
                | Keyword::MEMBER
                | Keyword::OVERLAPS
                | Keyword::AT
                | Keyword::OPERATOR
                | Keyword::NOTNULL
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
                | Keyword::MINUS
        ),
        Token::Whitespace(_) | Token::Comma | Token::LParen | Token::RParen | Token::Period | Token::SemiColon => false,
        Token::Number(..) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::EOF => false,
        _ => true,
    });
    match nests.nth(OPERATORS) {
        Some(token) => Err(Refused::at(
            token.span,
            format!("more than {OPERATORS} operators: use IN (…), or take it apart into segments"),
        )),
        None => Ok(()),
    }
}

/// The parser's message ends with the place.
pub fn not_parsed(error: &str) -> Refused {
    let error = error.strip_prefix("sql parser error: ").unwrap_or(error);
    let place = error.rsplit_once(" at Line: ").and_then(|(message, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((message, line.parse().ok()?, column.parse().ok()?))
    });
    match place {
        Some((message, line, column)) => {
            Refused { line, column, length: 1, message: format!("this is not SQL as MySQL has it: {message}") }
        }
        None => start(&format!("this is not SQL as MySQL has it: {error}")),
    }
}
