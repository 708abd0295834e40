//! MySQL's dialect as the parser has it, with `->` and `->>` binding as tightly as in MySQL: the parser's own takes `a->'$.b' + 1` for
//! `a->('$.b' + 1)`, and `a = b && c` for `a = (b && c)`.

use std::any::TypeId;

use sqlparser::ast::{Expr, Statement};
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

const MYSQL: MySqlDialect = MySqlDialect {};

/// Above every operator.
const ARROW: u8 = 90;

#[derive(Debug)]
pub struct Tight;

macro_rules! as_mysql {
    ($($name:ident)*) => {
        $(fn $name(&self) -> bool {
            MYSQL.$name()
        })*
    };
}

impl Dialect for Tight {
    fn dialect(&self) -> TypeId {
        MYSQL.dialect()
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::Arrow | Token::LongArrow => Some(Ok(ARROW)),
            Token::Overlap => Some(Ok(self.prec_value(Precedence::And))),
            _ => None,
        }
    }

    fn is_identifier_start(&self, c: char) -> bool {
        MYSQL.is_identifier_start(c)
    }

    fn is_identifier_part(&self, c: char) -> bool {
        MYSQL.is_identifier_part(c)
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        MYSQL.is_delimited_identifier_start(c)
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        MYSQL.parse_infix(parser, expr, precedence)
    }

    fn parse_statement(&self, parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        MYSQL.parse_statement(parser)
    }

    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool {
        MYSQL.is_table_factor_alias(explicit, keyword, parser)
    }

    as_mysql! {
        supports_string_literal_backslash_escape supports_string_literal_concatenation ignores_wildcard_escapes
        supports_numeric_prefix supports_bitwise_shift_operators supports_multiline_comment_hints require_interval_qualifier
        supports_limit_comma supports_table_hints requires_single_line_comment_whitespace supports_match_against
        supports_select_modifiers supports_data_type_signed_suffix supports_cross_join_constraint
        supports_double_ampersand_operator supports_binary_kw_as_cast supports_comment_optimizer_hint
        supports_group_by_with_modifier supports_left_associative_joins_without_parens
    }
}
