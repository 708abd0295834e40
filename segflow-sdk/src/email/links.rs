//! Addresses that the server fills in when a message is sent: they are different for each recipient, and only the server can sign them.
//!
//! `<Unsubscribe>`, `<Preferences>` and `<OpenInBrowser>` write them. They are the whole value of a `href`, never a part of one; in the
//! plain text they stand as they are.

/// Takes the recipient off the list.
pub const UNSUBSCRIBE: &str = "segflow:unsubscribe";
/// Where the recipient chooses what to get.
pub const PREFERENCES: &str = "segflow:preferences";
/// Where the recipient says that the address is theirs: `<Button href={segflow::links::CONFIRM}>"Yes, it is me"</Button>`, told as
/// [`Confirmed`](crate::Confirmed).
pub const CONFIRM: &str = "segflow:confirm";
/// The message as a page.
pub const OPEN_IN_BROWSER: &str = "segflow:browser";
