use std::collections::BTreeMap;

use segflow_protocol::{Field, Manifest};

use super::Query;
use crate::args;
use crate::store::db::{Db, Row, Value};
use crate::store::{Error, Result, hold};

/// An applied push.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    pub id: String,
    pub generation: i64,
    pub sha256: String,
    /// ms UTC.
    pub created_at: i64,
    /// Whether it is the one that decides now.
    pub current: bool,
}

/// By generation.
pub async fn deployments(db: &Db, workspace: &str, after: Option<i64>, limit: i64) -> Result<Vec<Deployment>> {
    let sql = "SELECT deployment FROM workspaces WHERE id = ?";
    let current = db.read_one(sql, args![workspace]).await?.map(|row| row.opt_text(0)).transpose()?.flatten();
    let mut query =
        Query::new("SELECT id, generation, sha256, created_at FROM deployments WHERE workspace = ?", workspace)
            .and("generation >", after);
    query.sql.push_str(" ORDER BY generation");
    let rows = query.rows(db, limit).await?;
    rows.iter()
        .map(|row| {
            let id = row.text(0)?;
            let current = current.as_ref() == Some(&id);
            Ok(Deployment { id, generation: row.int(1)?, sha256: row.text(2)?, created_at: row.int(3)?, current })
        })
        .collect()
}

pub async fn deployment(db: &Db, workspace: &str, id: &str) -> Result<Option<Deployment>> {
    let sql = "SELECT d.id, d.generation, d.sha256, d.created_at, w.deployment FROM deployments d \
               JOIN workspaces w ON w.id = d.workspace WHERE d.workspace = ? AND d.id = ?";
    let Some(row) = db.read_one(sql, args![workspace, id]).await? else { return Ok(None) };
    let current = row.opt_text(4)?.as_deref() == Some(id);
    let (generation, sha256, created_at) = (row.int(1)?, row.text(2)?, row.int(3)?);
    Ok(Some(Deployment { id: row.text(0)?, generation, sha256, created_at, current }))
}

/// The attributes that a deployment declares; a message is rendered from these and no others.
pub async fn fields_of(db: &Db, workspace: &str, deployment: &str) -> Result<Option<Vec<Field>>> {
    let sql = "SELECT manifest FROM deployments WHERE workspace = ? AND id = ?";
    let Some(row) = db.read_one(sql, args![workspace, deployment]).await? else { return Ok(None) };
    let manifest: Manifest = serde_json::from_str(&row.text(0)?)
        .map_err(|e| Error::Internal(format!("the manifest of {deployment} cannot be read: {e}")))?;
    Ok(Some(manifest.user))
}

/// How many there are, by name and status.
pub type Counts = BTreeMap<String, BTreeMap<String, i64>>;

/// By segment: how many users are in it.
pub async fn member_counts(db: &Db, workspace: &str, segment: Option<&str>) -> Result<BTreeMap<String, i64>> {
    let mut query = Query::new("SELECT segment, COUNT(*) FROM memberships WHERE workspace = ?", workspace)
        .and("segment =", segment);
    query.sql.push_str(" GROUP BY segment");
    let rows = db.read(query.sql, query.args).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// By campaign and status: how many enrollments there have been.
pub async fn enrollment_counts(db: &Db, workspace: &str, campaign: Option<&str>) -> Result<Counts> {
    by_campaign(db, "SELECT campaign, status, COUNT(*) FROM enrollments WHERE workspace = ?", workspace, campaign).await
}

/// By campaign and status: how many messages were decided.
pub async fn message_counts(db: &Db, workspace: &str, campaign: Option<&str>) -> Result<Counts> {
    let select = "SELECT campaign, status, COUNT(*) FROM messages WHERE campaign IS NOT NULL AND workspace = ?";
    let hold = hold::of(db, workspace).await?;
    let stored = by_campaign(db, select, workspace, campaign).await?;
    let shown = |by_status: BTreeMap<String, i64>| {
        by_status.into_iter().map(|(status, count)| (hold::shown(&status, hold.as_ref()), count)).collect()
    };
    Ok(stored.into_iter().map(|(campaign, by_status)| (campaign, shown(by_status))).collect())
}

async fn by_campaign(db: &Db, select: &str, workspace: &str, campaign: Option<&str>) -> Result<Counts> {
    let mut query = Query::new(select, workspace).and("campaign =", campaign);
    query.sql.push_str(" GROUP BY campaign, status");
    let rows: Vec<Row> = db.read(query.sql, query.args).await?;
    let mut counts = Counts::new();
    for row in rows {
        counts.entry(row.text(0)?).or_default().insert(row.text(1)?, row.int(2)?);
    }
    Ok(counts)
}

/// Something counted by campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub campaign: String,
    /// goal, arm
    pub kind: String,
    /// The goal, or the experiment.
    pub name: String,
    /// An arm; of a goal, experiment and arm of those who reached it.
    pub arm: Option<(String, String)>,
    pub count: i64,
}

impl Mark {
    /// The experiment and the arm it is about.
    pub fn experiment_and_arm(&self) -> (&str, &str) {
        self.arm.as_ref().map_or(("", ""), |(experiment, arm)| (experiment, arm))
    }
}

/// How many enrollments have reached each goal, were put into each arm of an experiment, and reached each goal from each arm.
pub async fn marks(db: &Db, workspace: &str, campaign: Option<&str>) -> Result<Vec<Mark>> {
    let only = if campaign.is_some() { " AND m.campaign = ?" } else { "" };
    let args = || {
        let mut args = args![workspace];
        args.extend(campaign.map(Value::from));
        args
    };
    let mut marks = vec![];
    let goals = format!(
        "SELECT m.campaign, m.name, COUNT(DISTINCT m.enrollment) FROM marks m \
         WHERE m.workspace = ?{only} AND m.kind = 'goal' GROUP BY m.campaign, m.name"
    );
    for row in db.read(goals, args()).await? {
        marks.push(Mark {
            campaign: row.text(0)?,
            kind: "goal".into(),
            name: row.text(1)?,
            arm: None,
            count: row.int(2)?,
        });
    }
    let arms = format!(
        "SELECT m.campaign, m.name, m.arm, COUNT(DISTINCT m.enrollment) FROM marks m \
         WHERE m.workspace = ?{only} AND m.kind = 'arm' GROUP BY m.campaign, m.name, m.arm"
    );
    for row in db.read(arms, args()).await? {
        let (name, arm) = (row.text(1)?, row.text(2)?);
        marks.push(Mark {
            campaign: row.text(0)?,
            kind: "arm".into(),
            arm: Some((name.clone(), arm)),
            name,
            count: row.int(3)?,
        });
    }
    let reached = format!(
        "SELECT m.campaign, g.name, m.name, m.arm, COUNT(DISTINCT m.enrollment) FROM marks m \
         JOIN marks g ON g.enrollment = m.enrollment AND g.kind = 'goal' \
         WHERE m.workspace = ?{only} AND m.kind = 'arm' GROUP BY m.campaign, g.name, m.name, m.arm"
    );
    for row in db.read(reached, args()).await? {
        marks.push(Mark {
            campaign: row.text(0)?,
            kind: "goal".into(),
            name: row.text(1)?,
            arm: Some((row.text(2)?, row.text(3)?)),
            count: row.int(4)?,
        });
    }
    Ok(marks)
}
