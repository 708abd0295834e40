//! What is refused, where it is underlined, and what a query is said to read.

use super::{Attributes, Dialect, Refused, check};

fn refused(sql: &str) -> Refused {
    match check(sql) {
        Err(refused) => refused,
        Ok(checked) => panic!("not refused: {sql}\n{}", checked.sql(Dialect::MySql, 1).text),
    }
}

#[test]
fn attacks() {
    let mut wrong = vec![];
    for (sql, why) in super::attacks::ATTACKS {
        match check(sql) {
            Ok(checked) => wrong.push(format!("not refused: {sql}\n{}", checked.sql(Dialect::MySql, 1).text)),
            Err(refused) if !refused.message.contains(why) => {
                wrong.push(format!("{sql}\n  expected {why}\n  found    {}", refused.message))
            }
            Err(_) => {}
        }
    }
    assert!(super::attacks::ATTACKS.len() >= 80);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_place_is_underlined() {
    for (sql, marked) in [
        ("SELECT id FROM users WHERE SLEEP(5) = 0", "SLEEP"),
        ("SELECT id\nFROM users\nWHERE id IN (SELECT hash FROM api_keys)", "api_keys"),
        ("SELECT id FROM mysql.user", "mysql.user"),
        ("SELECT id FROM users WHERE colour = 'red'", "colour"),
        ("SELECT u.id FROM users u WHERE u.colour = 'red'", "u.colour"),
        ("SELECT id FROM users WHERE id = ?", "?"),
        ("SELECT id FROM users WHERE created_at > 'yesterday'", "created_at > 'yesterday'"),
        ("SELECT id FROM users WHERE attributes->'$.a*' = 1", "'$.a*'"),
        ("SELECT id FROM users /*! WHERE 1 */", "/*!"),
        ("SELECT id FROM users LIMIT 5", "5"),
        ("SELECT id FROM users ORDER BY created_at", "created_at"),
        ("WITH RECURSIVE a AS (SELECT id FROM users) SELECT id FROM a", "WITH"),
        ("WITH users AS (SELECT 1 AS id) SELECT id FROM users", "users"),
        ("SELECT id FROM users; SELECT id FROM users", "SELECT id FROM users"),
        ("SELECT id FROM users WHERE 'ü' = UUID()", "UUID"),
        ("SELECT id FROM users WHERE attributes->>'$.a' = true", "attributes->>'$.a' = true"),
    ] {
        let refused = refused(sql);
        let line: Vec<char> = sql.lines().nth(refused.line - 1).expect(sql).chars().collect();
        let found: String = line.iter().skip(refused.column - 1).take(refused.length).collect();
        assert_eq!(found, marked, "{sql}: {refused}");
    }
    let sql = "SELECT id\nFROM users WHERE SLEPT(1)";
    let message = "SLEPT() cannot be used in a segment; the nearest that can is LEFT()";
    assert_eq!(
        refused(sql).underlined(sql),
        format!("{message}\n2 | FROM users WHERE SLEPT(1)\n  |                  ^^^^^")
    );
}

#[test]
fn what_needs_a_period_is_underlined() {
    let marked = |sql: &str, at: fn(&super::Checked, &str, &str) -> Refused| {
        let refused = at(&check(sql).expect("it is well"), sql, "needs a period");
        let line: Vec<char> = sql.lines().nth(refused.line - 1).expect(sql).chars().collect();
        line.iter().skip(refused.column - 1).take(refused.length).collect::<String>()
    };
    let sql = "SELECT id FROM users\nWHERE created_at < NOW() - INTERVAL 1 DAY OR created_at = CURDATE()";
    assert_eq!(marked(sql, super::Checked::refused_at_clock), "NOW");
    let sql = "SELECT id FROM users WHERE attributes->'$.n' > (SELECT AVG(attributes->'$.n') FROM users)";
    assert_eq!(marked(sql, super::Checked::refused_at_others), "SELECT AVG(attributes->'$.n') FROM users");
    let sql = "SELECT a.id FROM users a JOIN users b ON a.id < b.id";
    assert_eq!(marked(sql, super::Checked::refused_at_others), sql);
    // What the parser has no place for is the whole first line.
    let nowhere = Refused::at(sqlparser::tokenizer::Span::empty(), "somewhere").within("SELECT id\nFROM users");
    assert_eq!((nowhere.line, nowhere.column, nowhere.length), (1, 1, 9));
}

#[test]
fn whatever_is_written_nothing_panics() {
    let whole = "WITH a AS (SELECT user_id AS id, MAX(occurred_at) AS m FROM events WHERE name = 'x' GROUP BY user_id)\n\
        SELECT u.id FROM users u JOIN a ON a.id = u.id WHERE a.m < NOW() - INTERVAL 30 DAY AND u.attributes->>'$.ü' LIKE 'a%' -- é";
    check(whole).expect("it is well");
    for (at, c) in whole.char_indices() {
        for sql in [
            whole[..at].to_string(),
            whole[at..].to_string(),
            format!("{}{}", &whole[..at], &whole[at + c.len_utf8()..]),
        ] {
            if let Err(refused) = check(&sql) {
                let _ = refused.underlined(&sql);
            }
        }
    }
    for deep in [
        format!("SELECT id FROM users WHERE {}1{}", "(".repeat(2000), ")".repeat(2000)),
        format!("SELECT id FROM users WHERE 1{}", "+1".repeat(5000)),
        format!("SELECT id FROM users WHERE {}1", "NOT ".repeat(3000)),
        format!("SELECT id FROM users {}", "UNION SELECT id FROM users ".repeat(500)),
        "DATE(COALESCE(".repeat(30),
    ] {
        let _ = refused(&deep);
    }
    // As deep as may be parsed, where the place of the whole is asked for.
    let sum = "1 + ".repeat(490);
    assert!(refused(&format!("SELECT id FROM users WHERE LOWER({sum}1) = 'a'")).message.contains("too deeply"));
    let any = "1 OR ".repeat(490);
    assert!(refused(&format!("SELECT id FROM users WHERE LOWER({any}1) = 'a'")).message.contains("not text"));
    check(&format!("SELECT id FROM users WHERE {any}1")).expect("long, and not deep");
    check(&format!("SELECT id FROM users WHERE id IN ('a'{})", ", 'b'".repeat(2000))).expect("long, and not deep");
}

/// However deep the parser's tree is: what overflows the stack would end the server.
#[test]
fn long_chains_of_any_operator_are_refused() {
    let names = "AND, OR, XOR, DIV, MOD, LIKE, ILIKE, RLIKE, REGEXP, GLOB, MATCH, SIMILAR TO, NOT LIKE, NOT ILIKE, NOT REGEXP, NOT RLIKE, \
                 OVERLAPS, COLLATE, MEMBER OF, IS DISTINCT FROM, +, -, *, /, %, =, <, <=>, <>, !=, ||, &&, |, &, ^, <<, >>, ->, ->>, ::, :=, \
                 ~, !~, #>, @>, @@, ?, !";
    for operator in names.split(", ") {
        for operand in ["1", "a", "(1)", "'a'"] {
            let link = format!(" {operator} {operand}");
            for most in [490, (15_000 / link.len()).min(6_000)] {
                let _ = refused(&format!("SELECT id FROM users WHERE LOWER(1{}) = 'a'", link.repeat(most)));
            }
        }
    }
    for link in [
        " AT TIME ZONE 'UTC'",
        " IS NULL",
        " IS NOT NULL",
        " NOT NULL",
        " NOTNULL",
        " ISNULL",
        " IS TRUE",
        " IN (1)",
        " NOT IN (1)",
        " BETWEEN 1 AND 2",
        " MEMBER OF ('a')",
        " NOT MEMBER OF ('a')",
        " LIKE 'a' ESCAPE 'b'",
        " OPERATOR(+) 1",
        "[1]",
        ".a",
        "(1)",
        " COLLATE a",
        " 'a'",
        "->'$.a'",
    ] {
        for most in [490, (15_000 / link.len()).min(6_000)] {
            let _ = refused(&format!("SELECT id FROM users WHERE LOWER(a{}) = 'a'", link.repeat(most)));
        }
    }
    for (open, close) in
        [("(", ")"), ("CASE WHEN ", " THEN 1 END"), ("NOT ", ""), ("- ", ""), ("LOWER(", ")"), ("(SELECT ", ")")]
    {
        let most = (15_000 / (open.len() + close.len())).min(6_000);
        let _ = refused(&format!("SELECT id FROM users WHERE {}1{}", open.repeat(most), close.repeat(most)));
    }
    let joins = " JOIN users ON 1 = 1".repeat(700);
    let _ = refused(&format!("SELECT id FROM users{joins}"));
}

#[test]
fn what_grows_is_refused() {
    let mut x = "attributes->>'$.a'".to_string();
    for _ in 0..9 {
        x = format!("REPLACE(IF(DATE({x}) > NOW(), 'a', 'b'), 'a', 'c')");
    }
    assert!(refused(&format!("SELECT id FROM users WHERE {x} = 'b'")).message.contains("too much"));
}

#[test]
fn what_is_read() {
    let reads = |sql: &str| check(sql).unwrap_or_else(|refused| panic!("{}", refused.underlined(sql))).reads().clone();
    let only = |keys: &[&str]| Attributes::Only(keys.iter().map(|key| key.to_string()).collect());
    let names = |names: &[&str]| Some(names.iter().map(|name| name.to_string()).collect());

    let plain = reads("SELECT id FROM users WHERE attributes->'$.plan' = 'pro' AND attributes->>'$.a.b' > created_at");
    assert_eq!((plain.users, plain.events, plain.clock, plain.other_users), (true, false, false, false));
    assert_eq!(plain.user_attributes, only(&["a", "plan"]));
    assert_eq!(plain.event_names, names(&[]));

    let sum = reads(
        "SELECT u.id FROM users u JOIN events e ON e.user_id = u.id WHERE e.name = 'purchase' GROUP BY u.id HAVING SUM(e.attributes->'$.value') > 1000",
    );
    assert_eq!((sum.users, sum.events, sum.clock, sum.other_users), (true, true, false, false));
    assert_eq!(
        (sum.event_names, sum.event_attributes, sum.user_attributes),
        (names(&["purchase"]), only(&["value"]), only(&[]))
    );

    assert!(reads("SELECT id FROM users WHERE attributes->>'$.at' < NOW() - INTERVAL 30 DAY").clock);
    assert_eq!(reads("SELECT id FROM users WHERE JSON_LENGTH(attributes) = 0").user_attributes, Attributes::All);
    assert_eq!(reads("SELECT id FROM users WHERE updated_at > '2026-01-01'").user_attributes, Attributes::All);
    let both = "SELECT user_id FROM events WHERE name IN ('a', 'b') UNION SELECT id FROM users WHERE id IN (SELECT user_id FROM events WHERE 'c' = name)";
    assert_eq!(reads(both).event_names, names(&["a", "b", "c"]));
    for any in [
        "SELECT user_id FROM events WHERE name = 'a' OR name = 'b'",
        "SELECT user_id FROM events WHERE name LIKE 'a%'",
        "SELECT user_id FROM events GROUP BY user_id HAVING SUM(name = 'a') > 1",
        "SELECT a.user_id FROM events a JOIN events b ON a.user_id = b.user_id AND a.name = 'a'",
        "SELECT e.user_id FROM users u RIGHT JOIN events e ON e.user_id = u.id AND e.name = 'a'",
        "SELECT user_id FROM events WHERE name NOT IN ('a')",
    ] {
        assert_eq!(reads(any).event_names, None, "{any}");
    }
}

#[test]
fn whose_rows_are_read() {
    for (others, sql) in [
        (false, "SELECT id FROM users"),
        (false, "SELECT u.id FROM users u, events e WHERE u.id = e.user_id"),
        (false, "SELECT id FROM users u WHERE EXISTS (SELECT 1 FROM events e WHERE e.user_id = u.id AND e.name = 'a')"),
        (false, "SELECT id FROM users WHERE id IN (SELECT user_id FROM events GROUP BY user_id HAVING COUNT(*) > 1)"),
        (
            false,
            "WITH a AS (SELECT user_id AS who, COUNT(*) AS n FROM events GROUP BY user_id) SELECT who AS id FROM a WHERE n > 2",
        ),
        (true, "SELECT u.id FROM users u, events e WHERE e.name = 'a'"),
        (true, "SELECT u.id FROM users u JOIN events e ON u.id = e.user_id OR e.name = 'a'"),
        (
            true,
            "SELECT u.id FROM users u LEFT JOIN events e ON e.user_id = u.id LEFT JOIN events f ON e.user_id = u.id",
        ),
        (
            true,
            "SELECT u.id FROM users u JOIN events e ON e.name = 'x' LEFT JOIN users v ON v.id = u.id AND v.id = e.user_id",
        ),
        (
            false,
            "SELECT u.id FROM users u LEFT JOIN events e ON e.user_id = u.id LEFT JOIN events f ON f.user_id = e.user_id",
        ),
        (true, "SELECT u.id FROM users u CROSS JOIN (SELECT COUNT(*) AS n FROM events) q WHERE q.n > 1"),
        (true, "SELECT MIN(id) AS id FROM users"),
        (true, "SELECT MAX(user_id) AS id FROM events GROUP BY name"),
        (true, "SELECT e.user_id AS id FROM users u LEFT JOIN events e ON e.user_id = u.id GROUP BY e.user_id"),
        (true, "SELECT id FROM users WHERE (SELECT COUNT(*) FROM users) > 10"),
        (true, "SELECT id FROM users WHERE id IN (SELECT MAX(user_id) FROM events GROUP BY name)"),
        (true, "SELECT id FROM users WHERE id IN (SELECT name FROM events)"),
        (true, "SELECT id FROM users WHERE attributes->>'$.friend' IN (SELECT user_id FROM events)"),
        (true, "SELECT attributes->>'$.friend' AS id FROM users"),
        (true, "SELECT name AS id FROM events"),
        (true, "SELECT a.id FROM users a JOIN users b ON a.attributes->>'$.x' = b.attributes->>'$.x'"),
        (true, "WITH a AS (SELECT DISTINCT name FROM events) SELECT u.id FROM users u JOIN a ON a.name = u.id"),
        (true, "SELECT q.id FROM (SELECT id FROM users ORDER BY created_at LIMIT 3) q"),
    ] {
        assert_eq!(check(sql).unwrap_or_else(|e| panic!("{}", e.underlined(sql))).reads().other_users, others, "{sql}");
    }
}

#[test]
fn what_is_bound() {
    let sql = "SELECT u.id FROM users u JOIN events e ON e.user_id = u.id AND e.name = 'what?' WHERE e.occurred_at > NOW() AND u.created_at < NOW()";
    let checked = check(sql).expect("it is well");
    for dialect in [Dialect::Sqlite, Dialect::MySql, Dialect::MariaDb] {
        let sql = checked.sql(dialect, 4);
        assert_eq!((sql.tables.len(), sql.ids, sql.clock), (2, 4, 2));
        assert_eq!(sql.text.replace("what?", "").matches('?').count(), 2 * (1 + 4) + 1 + 2);
    }
    let one = check("SELECT user_id FROM events").expect("it is well").sql(Dialect::Sqlite, 2);
    let table = "segflow_events AS (SELECT id, user_id, name, attributes, occurred_at FROM events WHERE workspace = ? AND occurred_at <= ? AND user_id IN (?,?))";
    let query = "segflow_q AS (\nSELECT `events`.`user_id` AS `id` FROM segflow_events AS `events`\n)";
    assert_eq!(one.text, format!("WITH {table},\n{query}\nSELECT id FROM segflow_q"));
}

/// Wherever it stands, a table is the part of it that the query is about. On MariaDB a CTE inside a subquery does not see those around it,
/// and would read the whole of a table of that name.
#[test]
fn no_table_is_read_but_in_part() {
    let sql = "WITH a AS (WITH b AS (SELECT id FROM users) SELECT id FROM b), b AS (SELECT id FROM a)
        SELECT q.id FROM (WITH c AS (SELECT user_id AS id FROM events) SELECT id FROM c) q JOIN b ON b.id = q.id
        WHERE q.id IN (WITH c AS (SELECT id FROM users) SELECT id FROM c UNION SELECT id FROM b)";
    for dialect in [Dialect::Sqlite, Dialect::MySql, Dialect::MariaDb] {
        let text = check(sql).expect("it is well").sql(dialect, 1).text;
        let count = |what: &str| text.matches(what).count();
        assert_eq!((count("WITH"), count("FROM users "), count("FROM events ")), (1, 1, 1), "{text}");
        assert_eq!((count("FROM segflow_users AS"), count("FROM segflow_events AS")), (2, 1), "{text}");
        let order: Vec<usize> = (0..5).filter_map(|n| text.find(&format!("segflow_w{n} AS"))).collect();
        assert!(order.len() == 5 && order.is_sorted(), "{text}");
    }
}

#[test]
fn every_function_is_documented() {
    let docs = include_str!("../../../../docs/projects.md");
    for name in super::LISTED {
        assert!(docs.contains(&format!("`{name}`")), "{name}");
    }
}
