//! Every component of emails, one email each: `segflow emails examples/components` shows them side by side with what they become, and
//! the pictures in docs/emails.md are of them (`tests/vendors/six/docs.mjs`).

use segflow::prelude::*;

mod blocks;
mod layout;
mod words;

#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
pub struct Reader {
    pub name: String,
    pub email: String,
}

async fn all(flow: Flow<Reader>) {
    flow.send(layout::container()).await;
}

#[segflow::project]
pub fn components() -> Project<Reader> {
    Project::new("components")
        .from("Components <hello@shop.example>")
        .campaign(Campaign::new("all", all).enters(Segment::everyone("everyone")))
        .provider(Capture)
        // With the way out, which most of them do without.
        .postal("Components\n1 High Street")
        .sample_user(Reader { name: "Ada".into(), email: "ada@shop.example".into() })
}

/// The ground that each is shown on.
#[component]
pub fn ground(children: Children) -> Html {
    html! { <Body class="bg-white p-6 dark:bg-slate-900">{children}</Body> }
}
