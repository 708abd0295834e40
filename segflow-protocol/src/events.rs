/// What the events are called that the server itself reports: what became of the messages to a user. No project declares them.
pub mod own {
    /// The user wants no more of a topic, or of anything.
    pub const UNSUBSCRIBED: &str = "$unsubscribed";
    /// The user wants a topic, or messages at all, again.
    pub const SUBSCRIBED: &str = "$subscribed";
    /// The user has said by a link in a message that the address is theirs.
    pub const CONFIRMED: &str = "$confirmed";
    /// A message did not reach the user.
    pub const BOUNCED: &str = "$bounced";
    /// The user has called a message spam.
    pub const COMPLAINED: &str = "$complained";
    /// The user has looked at a message.
    pub const OPENED: &str = "$opened";
    /// The user has followed a link in a message.
    pub const CLICKED: &str = "$clicked";
    /// The user has answered a message.
    pub const REPLIED: &str = "$replied";
}

/// Whether an event is one of the server's own.
pub fn is_own(name: &str) -> bool {
    name.starts_with('$')
}
