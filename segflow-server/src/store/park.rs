//! Parking what could not be stored.

use std::sync::Arc;

use segflow_core::enrollment::Enrollment;
use segflow_core::step::Decision;

use super::db::{Db, Tx};
use super::decide::write_enrollments_of;
use super::{Result, fence, for_update, news};
use crate::args;

/// Parks the enrollments of a decision that cannot be stored, also those that it would have begun. Its facts stay in the inbox: the next
/// decision about the user goes without these flows.
pub async fn all_of(db: &Db, incarnation: &str, decision: &Decision, reason: String, now: i64) -> Result<()> {
    let incarnation = incarnation.to_string();
    let Decision { workspace, user, incarnation: of_user, .. } = decision;
    let names = (workspace.clone(), user.clone(), of_user.clone());
    let enrollments = Arc::new(decision.enrollments.clone());
    db.write(move |tx| {
        let (incarnation, reason, enrollments) = (incarnation.clone(), reason.clone(), enrollments.clone());
        let (workspace, user, of_user) = names.clone();
        Box::pin(async move {
            fence::hold(tx, &incarnation).await?;
            let lock = for_update(tx.kind());
            let sql = format!("SELECT incarnation FROM users WHERE workspace = ? AND id = ?{lock}");
            let row = tx.row(sql, args![&workspace, &user]).await?;
            if row.map(|row| row.text(0)).transpose()? != Some(of_user) {
                return Ok(());
            }
            for enrollment in enrollments.iter() {
                let Enrollment { id, version, .. } = enrollment;
                let parked = match version {
                    0 => park_new(tx, &workspace, &user, enrollment, &reason, now).await?,
                    _ => {
                        let sql = "UPDATE enrollments SET status = 'parked', reason = ?, wake_at = NULL, \
                                   version = version + 1, updated_at = ? WHERE id = ? AND version = ?";
                        tx.run(sql, args![&reason, now, id, *version]).await? > 0
                    }
                };
                if parked {
                    tell_parked(tx, id, &reason, now).await?;
                }
            }
            Ok(())
        })
    })
    .await
}

/// One that has not begun stands there as it was before its first turn, of which nothing can be kept: it can be resumed or removed.
async fn park_new(
    tx: &mut Tx,
    workspace: &str,
    user: &str,
    decided: &Enrollment,
    reason: &str,
    now: i64,
) -> Result<bool> {
    let sql = "SELECT id FROM enrollments WHERE id = ?";
    if tx.row(sql, args![&decided.id]).await?.is_some() {
        return Ok(false);
    }
    let Enrollment { id, campaign, run, deployment, started_at, .. } = decided;
    let (key, by_hand) = (decided.key.clone(), decided.by_hand);
    let new = Enrollment::new(id.clone(), campaign, *run, deployment, *started_at, 0);
    let mut parked = Enrollment { key, by_hand, ..new };
    parked.park(reason);
    write_enrollments_of(tx, workspace, &[(user, &parked)], now).await?;
    Ok(true)
}

async fn tell_parked(tx: &mut Tx, enrollment: &str, reason: &str, now: i64) -> Result<()> {
    let sql = "SELECT workspace, user_id, campaign FROM enrollments WHERE id = ?";
    let Some(row) = tx.row(sql, args![enrollment]).await? else { return Ok(()) };
    let (workspace, parked) = (row.text(0)?, news::parked(&row.text(1)?, enrollment, &row.text(2)?, reason, now));
    news::listeners(tx, &workspace).await?.tell(tx, &workspace, &[parked], now).await
}
