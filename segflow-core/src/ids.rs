//! Ids, buckets and randomness, all derived. Frozen: rows in databases depend on them.

use sha2::{Digest, Sha256};

/// How many buckets the users of all workspaces are spread over.
pub const BUCKETS: u16 = 64;

/// The bucket of a user: FNV-1a (64 bits) over workspace, a zero byte and user id.
pub fn bucket(workspace: &str, user: &str) -> u16 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in workspace.bytes().chain([0]).chain(user.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    (hash % u64::from(BUCKETS)) as u16
}

/// `PREFIX_` and 128 bits of SHA-256 over the parts, in hex.
pub fn derived(prefix: &str, parts: &[&str]) -> String {
    format!("{prefix}_{}", hex(&hash(parts)[..16]))
}

/// The same of what there is a lot of: 48 bits of an instant (ms UTC), then 80 bits of the hash. What is made at one time lies side by
/// side in a table, so that a commit touches few pages, however large the table is.
fn derived_at(prefix: &str, at: i64, parts: &[&str]) -> String {
    let at = at.clamp(0, (1 << 48) - 1);
    format!("{prefix}_{at:012x}{}", hex(&hash(parts)[..10]))
}

fn hash(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// The id of a user's `run`th enrollment in a campaign, which began at `at`. `incarnation` tells a user from a later one of the same name.
pub fn enrollment(workspace: &str, incarnation: &str, campaign: &str, run: u32, at: i64) -> String {
    derived_at("enr", at, &[workspace, incarnation, campaign, &run.to_string()])
}

/// The id of the message that operation `op` of an enrollment decided at `at`.
pub fn campaign_message(enrollment: &str, op: u64, at: i64) -> String {
    derived_at("msg", at, &[enrollment, &op.to_string()])
}

/// The id of the message that a transaction sends for an event, which was received at `at`.
pub fn transaction_message(workspace: &str, incarnation: &str, transaction: &str, event: &str, at: i64) -> String {
    derived_at("msg", at, &[workspace, incarnation, transaction, event])
}

/// The id of the event that operation `op` of an enrollment emits.
pub fn flow_event(enrollment: &str, op: u64) -> String {
    derived("evt", &[enrollment, &op.to_string()])
}

/// The id under which an event, which was received at `at`, counts for a campaign.
pub fn event_conversion(workspace: &str, incarnation: &str, campaign: &str, event: &str, at: i64) -> String {
    derived_at("cnv", at, &[workspace, incarnation, campaign, event])
}

/// The id under which a goal counts that operation `op` of an enrollment reached at `at`.
pub fn goal_conversion(enrollment: &str, op: u64, at: i64) -> String {
    derived_at("cnv", at, &[enrollment, &op.to_string()])
}

/// The seed of an enrollment's randomness.
pub fn seed(enrollment: &str) -> u64 {
    let digest = Sha256::digest(enrollment.as_bytes());
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// The random number of operation `op` under a seed: one step of SplitMix64 (Steele, Lea, Flood 2014).
pub fn random(seed: u64, op: u64) -> u64 {
    let mut z = seed.wrapping_add(op.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How a run of a flow is called in what is told to it: by its seed, which it knows.
pub fn run(seed: u64) -> String {
    format!("{seed:016x}")
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).expect("half a byte is a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rows_depend_on_is_frozen() {
        assert_eq!((bucket("main", "ada"), bucket("main", "bob"), bucket("other", "ada")), (4, 3, 49));
        assert_eq!(random(1, 0), 0x910a_2dec_8902_5cc1);
        assert_eq!(derived("x", &["enr_1", "0"]), "x_2afcef9580f3c1a931ca39717d33376a");
        assert_eq!(campaign_message("enr_1", 0, 1_750_000_000_000), "msg_01977420dc002afcef9580f3c1a931ca");
        assert_eq!(campaign_message("enr_1", 0, -1), "msg_0000000000002afcef9580f3c1a931ca");
    }
}
