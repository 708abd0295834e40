use std::collections::BTreeMap;

use segflow_core::conversion::whole;

use super::{Message, Query};
use crate::args;
use crate::store::db::{Db, Row, Value};
use crate::store::many::{On, select_in};
use crate::store::{Error, Result, total};

/// What has come of the messages of a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Results {
    /// How many messages people have opened, in how many they have followed a link, and for how many something counted.
    pub opened: i64,
    pub clicked: i64,
    pub converted: i64,
    /// How many things counted, and what they are worth together.
    pub conversions: i64,
    pub value: f64,
}

/// By campaign. One that nothing has come of is not among them.
pub async fn results(db: &Db, workspace: &str, campaign: Option<&str>) -> Result<BTreeMap<String, Results>> {
    let mut all = BTreeMap::<String, Results>::new();
    let select = "SELECT campaign, reaction, COUNT(*) FROM reactions WHERE campaign IS NOT NULL AND workspace = ?";
    let mut query = Query::new(select, workspace).and("campaign =", campaign);
    query.sql.push_str(" GROUP BY campaign, reaction");
    for row in db.read(query.sql, query.args).await? {
        let results = all.entry(row.text(0)?).or_default();
        match row.text(1)?.as_str() {
            "opened" => results.opened = row.int(2)?,
            _ => results.clicked = row.int(2)?,
        }
    }
    let select = format!(
        "SELECT campaign, COUNT(DISTINCT message), COUNT(*), {} FROM conversions WHERE workspace = ?",
        total(db.kind(), "value")
    );
    let mut query = Query::new(&select, workspace).and("campaign =", campaign);
    query.sql.push_str(" GROUP BY campaign");
    for row in db.read(query.sql, query.args).await? {
        let results = all.entry(row.text(0)?).or_default();
        (results.converted, results.conversions) = (row.int(1)?, row.int(2)?);
        results.value = value(&row, 3)?;
    }
    Ok(all)
}

/// What has come of one message. Times are ms UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MessageResults {
    pub opened_at: Option<i64>,
    pub clicked_at: Option<i64>,
    pub conversions: i64,
    pub value: f64,
}

/// By id, what has come of these messages; of those that nothing has come of there is nothing.
pub async fn results_of(db: &Db, messages: &[Message]) -> Result<BTreeMap<String, MessageResults>> {
    let sent = messages.iter().filter(|message| message.attempt > 0);
    let ids: Vec<Value> = sent.map(|message| Value::from(&message.id)).collect();
    let mut all = BTreeMap::<String, MessageResults>::new();
    let sql = "SELECT message, reaction, at FROM reactions WHERE message IN ({})";
    for row in select_in(&mut On::Db(db), sql, &[], &ids).await? {
        let result = all.entry(row.text(0)?).or_default();
        match row.text(1)?.as_str() {
            "opened" => result.opened_at = Some(row.int(2)?),
            _ => result.clicked_at = Some(row.int(2)?),
        }
    }
    let sql = format!(
        "SELECT message, COUNT(*), {} FROM conversions WHERE message IN ({{}}) GROUP BY message",
        total(db.kind(), "value")
    );
    for row in select_in(&mut On::Db(db), &sql, &[], &ids).await? {
        let result = all.entry(row.text(0)?).or_default();
        (result.conversions, result.value) = (row.int(1)?, value(&row, 2)?);
    }
    Ok(all)
}

/// Something that counted for a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// `event` or `goal`.
    pub kind: String,
    pub name: String,
    pub event_id: Option<String>,
    pub value: Option<f64>,
    /// ms UTC.
    pub at: i64,
}

/// The most that is shown of one message.
const MOST: i64 = 1_000;

/// What counted for a message, which the caller has found in its own workspace, as it happened.
pub async fn conversions(db: &Db, message: &str) -> Result<Vec<Conversion>> {
    let sql = "SELECT kind, name, event_id, value, at FROM conversions WHERE message = ? ORDER BY at, id LIMIT ?";
    let rows = db.read(sql, args![message, MOST]).await?;
    let read = |row: &Row| {
        Ok(Conversion {
            kind: row.text(0)?,
            name: row.text(1)?,
            event_id: row.opt_text(2)?,
            value: row.opt_int(3)?.map(|value| whole(value as f64)),
            at: row.int(4)?,
        })
    };
    rows.iter().map(read).collect()
}

fn value(row: &Row, at: usize) -> Result<f64> {
    let text = row.text(at)?;
    text.parse().map(whole).map_err(|_| Error::Internal(format!("a sum of values is `{text}`")))
}
