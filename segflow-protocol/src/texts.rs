//! What the pages say that recipients see, and the links that lead there.

use serde::{Deserialize, Serialize};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $english:literal,)*) => {
        /// The words of one language. `{sender}`, `{topic}` and `{address}` stand for those.
        ///
        /// A project gives those of its readers: `Texts { unsubscribe: "Abmelden", ..Texts::english() }`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, bound(deserialize = "S: Deserialize<'de>, Texts<S>: Default"))]
        pub struct Texts<S = String> {
            $($(#[$doc])* pub $name: S,)*
        }

        impl Texts<&'static str> {
            /// What is said where a project gives nothing else.
            pub const fn english() -> Texts<&'static str> {
                Texts { $($name: $english,)* }
            }

            pub fn to_owned(&self) -> Texts {
                Texts { $($name: self.$name.to_owned(),)* }
            }
        }
    };
}

texts! {
    /// A link, a button, a title.
    unsubscribe: "Unsubscribe",
    /// Above the button of a message about nothing in particular.
    unsubscribe_question: "Would you like to get no more emails from {sender}?",
    /// Above the button of a message about a topic.
    topic_question: "Would you like to get no more of “{topic}” from {sender}?",
    /// A button beside it.
    unsubscribe_from_all: "Unsubscribe from everything",
    unsubscribed: "You are unsubscribed",
    /// After it.
    unsubscribed_note: "You get no more emails of this kind from {sender}.",
    topic_unsubscribed_note: "You get no more of “{topic}” from {sender}.",
    /// A button that takes it back.
    undo: "That was a mistake: subscribe again",
    subscribed: "You are subscribed again",
    /// A link, a title.
    preferences: "Email preferences",
    preferences_question: "What would {address} like to get from {sender}?",
    save: "Save",
    saved: "Saved",
    /// Where nothing is left to choose.
    blocked_note: "Nothing is sent to this address at all: messages to it came back, or somebody asked for it.",
    transactions_note: "Messages about what you do yourself, such as orders, are sent in any case.",
    /// A button, a title.
    confirm: "Confirm",
    confirm_question: "Is {address} your address, and would you like to get emails from {sender}?",
    confirmed: "Thank you",
    confirmed_note: "{address} is confirmed.",
    /// A link in emails.
    open_in_browser: "Open in browser",
    gone: "This link leads nowhere any more",
    gone_note: "The message that it came with is not kept any more, or the link was not copied as a whole.",
    erased_note: "Nothing is kept about you here any more, and nothing is sent to you.",
    test_note: "This was only a test: in a real message the link is its reader’s own.",
    later: "This could not be done just now",
    later_note: "Please try again in a minute.",
}

impl Default for Texts {
    fn default() -> Texts {
        Texts::english().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_english() {
        let german = Texts { unsubscribe: "Abmelden", ..Texts::english() };
        let read: Texts = serde_json::from_str(&serde_json::to_string(&german).expect("JSON")).expect("read");
        assert_eq!(read, german.to_owned());
        // One of an earlier release, which had fewer of them.
        let fewer: Texts = serde_json::from_str(r#"{"unsubscribe": "Abmelden"}"#).expect("read");
        assert_eq!((fewer.unsubscribe.as_str(), fewer.save.as_str()), ("Abmelden", "Save"));
    }
}
