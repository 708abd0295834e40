//! Every function that raw SQL may call, in conditions that hold for u01 on every database; and what MySQL itself says of the same text.

use segflow_server::store::sql::LISTED;

use super::*;

all![every_function_says_what_mysql_says];

/// u01 was created on 2025-01-31T12:00:00Z.
const HOLDS: &[&str] = &[
    "IFNULL(attributes->>'$.none', 'x') = 'x' AND IFNULL(NULL, 2) = 2 AND IFNULL(attributes->>'$.age', 0) > 29",
    "COALESCE(attributes->>'$.none', 0) = 0 AND COALESCE(attributes->>'$.age', 0) > 9 AND COALESCE(attributes->>'$.plan', 0) = 'pro'",
    "COALESCE(attributes->>'$.none', NULL, 'a') = 'a' AND NULLIF(id, 'u01') IS NULL AND NULLIF(3, 2) = 3",
    "IF(attributes->'$.age' = 30, 'a', 'b') = 'a' AND IF(NULL, 1, 2) = 2",
    "GREATEST(1, 2.5, 2) = 2.5 AND LEAST('b', 'a') = 'a' AND GREATEST(1, NULL) IS NULL",
    "LOWER('AbÉ') IN ('abÉ', 'abé')",
    "LCASE('AB') = 'ab' AND UCASE('ab') = 'AB' AND UPPER(attributes->>'$.plan') = 'PRO'",
    "TRIM('  a ') = 'a' AND LTRIM('  a') = 'a' AND RTRIM('  a ') = '  a'",
    "LENGTH('é') = 2 AND CHAR_LENGTH('é') = 1 AND CHARACTER_LENGTH('🦊') = 1",
    "CONCAT('a', 1, attributes->>'$.plan') = 'a1pro' AND CONCAT('a', NULL) IS NULL",
    "CONCAT_WS('-', 'a', NULL, '', id, 2) = 'a--u01-2' AND CONCAT_WS(NULL, 'a', 'b') IS NULL",
    "SUBSTRING('abc', 2) = 'bc' AND SUBSTR('abc', -2, 1) = 'b' AND MID('abc', 2, 5) = 'bc' AND SUBSTRING('abc' FROM 3) = 'c'",
    "LEFT('abc', 2) = 'ab' AND LEFT('abc', 0) = '' AND RIGHT('abc', 2) = 'bc' AND RIGHT('a', 5) = 'a'",
    "REPLACE('aXbX', 'X', '--') = 'a--b--' AND REPLACE('aa', '', 'b') = 'aa' AND REPLACE('Aa', 'a', 'b') = 'Ab'",
    "INSTR('abc', 'c') = 3 AND LOCATE('x', 'abc') = 0 AND POSITION('b' IN 'abc') = 2",
    "ROUND(2.4) = 2 AND ROUND(-2.6) = -3 AND ROUND(1.256, 2) = 1.26 AND ABS(-2.5) = 2.5 AND ABS(attributes->'$.age') = 30",
    "FLOOR(-1.5) = -2 AND CEIL(1.2) = 2 AND CEILING(-1.5) = -1 AND FLOOR(3) = 3",
    "MOD(7, 3) = 1 AND MOD(-7, 3) = -1 AND MOD(7.5, 2) = 1.5 AND MOD(1, 0) IS NULL",
    "NOW() > '2026-01-01' AND CURRENT_TIMESTAMP > '2026-01-01' AND CURRENT_TIMESTAMP() > '2026-01-01' AND LOCALTIME > '2026-01-01'",
    "LOCALTIMESTAMP > '2026-01-01' AND UTC_TIMESTAMP() > '2026-01-01' AND NOW(3) >= NOW() - INTERVAL 1 MINUTE",
    "CURDATE() > '2026-01-01' AND CURRENT_DATE > '2026-01-01' AND CURRENT_DATE() <= NOW() AND UTC_DATE() = CURDATE()",
    "UNIX_TIMESTAMP(created_at) = 1738324800 AND UNIX_TIMESTAMP() > 1767225600",
    "FROM_UNIXTIME(1738324800) = created_at AND FROM_UNIXTIME(1738324800.5) > created_at AND FROM_UNIXTIME(-1) IS NULL",
    "FROM_UNIXTIME(attributes->'$.age') < created_at AND YEAR(FROM_UNIXTIME('1738324800')) = 2025",
    "DATE(created_at) = '2025-01-31' AND DATE(FROM_UNIXTIME(1738324800.25)) = '2025-01-31'",
    "TIMESTAMP('2025-01-31 12:00:00') = created_at AND TIMESTAMP(attributes->>'$.none') IS NULL",
    "DATE_ADD(created_at, INTERVAL 1 MONTH) = '2025-02-28 12:00:00' AND ADDDATE(created_at, INTERVAL 1 DAY) = '2025-02-01 12:00:00'",
    "DATE_SUB(created_at, INTERVAL 1 YEAR) = '2024-01-31 12:00:00' AND SUBDATE(created_at, INTERVAL 2 HOUR) = '2025-01-31 10:00:00'",
    "DATEDIFF('2025-02-02', created_at) = 2 AND DATEDIFF(created_at, '2025-02-02 23:00:00') = -2",
    "TIMESTAMPDIFF(MINUTE, created_at, '2025-01-31 12:59:59') = 59 AND TIMESTAMPDIFF(QUARTER, created_at, '2025-10-31 12:00:00') = 3",
    "TIMESTAMPADD(WEEK, 1, created_at) = '2025-02-07 12:00:00' AND TIMESTAMPADD(QUARTER, 1, created_at) = '2025-04-30 12:00:00'",
    "YEAR(created_at) = 2025 AND MONTH(created_at) = 1 AND DAY(created_at) = 31 AND DAYOFMONTH(created_at) = 31",
    "HOUR(created_at) = 12 AND MINUTE('2025-01-31 12:34:56') = 34 AND SECOND('2025-01-31 12:34:56') = 56 AND WEEKDAY(created_at) = 4",
    "EXTRACT(YEAR FROM created_at) = 2025 AND EXTRACT(MINUTE FROM created_at) = 0 AND EXTRACT(SECOND FROM created_at) = 0",
    "JSON_EXTRACT(attributes, '$.age') = 30 AND JSON_UNQUOTE(attributes->'$.plan') = 'pro' AND JSON_UNQUOTE(attributes->'$.winback') = 'true'",
    "JSON_VALUE(attributes, '$.plan') = 'pro' AND JSON_VALUE(attributes, '$.none') IS NULL AND JSON_VALUE(attributes, '$.age') = 30",
    "JSON_VALUE(attributes, '$.nil') IS NULL AND attributes->>'$.nil' = 'null' AND JSON_UNQUOTE(attributes->'$.nil') = 'null'",
    "JSON_CONTAINS(attributes->'$.tags', '\"vip\"') AND JSON_CONTAINS(attributes, '30', '$.age')",
    "JSON_LENGTH(attributes->'$.tags') = 2 AND JSON_LENGTH(attributes, '$.age') = 1 AND JSON_LENGTH(attributes->'$.none') IS NULL",
    "CAST('17.5' AS SIGNED) = 17 AND CAST('-17.9abc' AS SIGNED) = -17 AND CAST('' AS SIGNED) = 0 AND CAST(' 12' AS SIGNED) = 12",
    "CAST(17.5 AS SIGNED) = 18 AND CAST(-17.4 AS SIGNED) = -17 AND CAST('1e3' AS SIGNED) = 1",
    "CAST(attributes->'$.half' AS SIGNED) = 18 AND CAST(attributes->'$.halves' AS SIGNED) = 17 AND CAST(attributes->'$.winback' AS SIGNED) = 1",
    "CAST(attributes->'$.nil' AS SIGNED) = 0 AND CAST(attributes->'$.none' AS SIGNED) IS NULL AND CAST(attributes->>'$.halves' AS SIGNED) = 17",
    "CAST('17.45' AS DECIMAL(10, 1)) = 17.5 AND CAST('17.5' AS DECIMAL) = 18 AND CAST(2.346 AS DECIMAL(10, 2)) = 2.35",
    "CAST('17.5x' AS DOUBLE) = 17.5 AND CAST(30 AS CHAR) = '30' AND CAST(created_at AS DATE) = '2025-01-31'",
    "attributes->'$.huge' = 1234567890123456789 AND attributes->'$.huge' <> 1234567890123456788 AND attributes->'$.huge' > 1234567890123456788",
    "created_at BETWEEN '2026-01-01' - INTERVAL 1 YEAR AND '2025-02-01'",
    "created_at NOT BETWEEN NOW() - INTERVAL 1 DAY AND NOW() AND 2 BETWEEN 1 AND 3",
    "(SELECT COUNT(*) FROM events e WHERE e.user_id = 'u01' AND e.name = 'purchase') = 2",
    "(SELECT SUM(e.attributes->'$.value') FROM events e WHERE e.user_id = 'u01') = 1100",
    "(SELECT AVG(e.attributes->'$.value') FROM events e WHERE e.user_id = 'u01' AND e.name = 'purchase') = 550",
    "(SELECT MIN(e.attributes->>'$.sku') FROM events e WHERE e.user_id = 'u01') = 'a'",
    "(SELECT MAX(e.attributes->'$.value' + 0) FROM events e WHERE e.user_id = 'u01') = 600",
    "(SELECT COUNT(*) FROM events e RIGHT JOIN users u ON e.user_id = u.id WHERE u.id IN ('u01', 'u05')) = 5",
];

/// The tables as they are documented, for MySQL itself.
const AS_DOCUMENTED: &str = "WITH users AS (SELECT id, attributes, TIMESTAMPADD(MICROSECOND, created_at * 1000, TIMESTAMP'1970-01-01 00:00:00') AS created_at \
     FROM users WHERE workspace = 'w1'), \
     events AS (SELECT id, user_id, name, attributes FROM events WHERE workspace = 'w1' AND occurred_at <= 1774958400000)";

async fn every_function_says_what_mysql_says(db: Database) {
    let store = filled(&db).await;
    let mut tx = store.db.begin().await.expect("begun");
    let more = r#"{"winback":true,"plan":"pro","age":30,"tags":["vip","eu"],"nil":null,"half":17.5,"halves":"17.5","huge":1234567890123456789}"#;
    tx.run("UPDATE users SET attributes = ? WHERE workspace = 'w1' AND id = 'u01'", args![more])
        .await
        .expect("written");
    tx.commit().await.expect("committed");
    let mut wrong = vec![];
    for condition in HOLDS {
        if db.kind() == Kind::MariaDb && condition.contains("huge") {
            continue;
        }
        let sql = format!("SELECT id FROM users WHERE id = 'u01' AND {condition}");
        match check(&sql) {
            Err(refused) => wrong.push(refused.underlined(&sql)),
            Ok(_) => {
                let found = segments::everyone(&store.db, "w1", &sql, NOW).await.map_err(|e| e.to_string());
                if found != Ok(["u01".to_string()].into()) {
                    wrong.push(format!("{condition}: {found:?}"));
                }
            }
        }
        if db.kind() == Kind::MySql {
            match store.db.read(format!("{AS_DOCUMENTED} {sql}"), vec![]).await {
                Ok(rows) if rows.len() == 1 => {}
                Ok(_) => wrong.push(format!("MySQL says no: {condition}")),
                Err(error) => wrong.push(format!("MySQL says: {error}: {condition}")),
            }
        }
    }
    let all = HOLDS.join(" ");
    let called = |name: &&&str| {
        let words = all.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.into_iter().any(|word| word == **name)
    };
    wrong.extend(LISTED.iter().filter(|name| !called(name)).map(|name| format!("{name} is listed and not tried")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
