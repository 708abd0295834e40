/// What the events are called that the server itself reports: what became of the messages to a user. No project declares them.
pub mod own {
    /// The user wants no more of a topic, or of anything.
    pub const UNSUBSCRIBED: &str = "$unsubscribed";
    /// The user wants a topic, or messages at all, again.
    pub const SUBSCRIBED: &str = "$subscribed";
}

/// Whether an event is one of the server's own.
pub fn is_own(name: &str) -> bool {
    name.starts_with('$')
}
