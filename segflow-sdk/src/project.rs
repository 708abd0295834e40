//! Projects: everything that a push brings to a server.

use std::collections::BTreeMap;

use segflow_protocol::{
    self as protocol, Beyond, Cap, Cond, Expr, Manifest, Problem, Rule, Test, Texts, Tracking, Window,
};
use serde_json::Value;

use crate::campaign::take_window;
use crate::email::{Message, templates, untracked};
use crate::mailbox::Mailbox;
use crate::provider::Provider;
use crate::{Attributes, Campaign, Duration, Event, Segment, Topic, Transaction, When, schema};

/// What belongs together: users of one type, their segments, campaigns, transactions and providers.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
/// # fn everyone() -> Segment<Shopper> { Segment::everyone("everyone") }
/// # async fn welcome(_: Flow<Shopper>) {}
/// #[segflow::project]
/// pub fn shop() -> Project<Shopper> {
///     Project::new("shop")
///         .from("The shop <hello@shop.example>")
///         .campaign(Campaign::new("welcome", welcome).enters(everyone()))
///         .provider(Capture)
/// }
/// ```
#[must_use]
pub struct Project<U> {
    name: String,
    from: Option<String>,
    reply_to: Option<String>,
    segments: Vec<Segment<U>>,
    campaigns: Vec<Campaign<U>>,
    transactions: Vec<Transaction>,
    providers: Vec<Provider>,
    mailboxes: Vec<Mailbox>,
    topics: Vec<Topic>,
    postal: Option<String>,
    links_at: Option<String>,
    unsubscribe_by_mail: Option<String>,
    tracking: Tracking,
    texts: BTreeMap<String, Texts>,
    windows: Vec<Window>,
    caps: Vec<Cap>,
    problems: Vec<Problem>,
    sample_user: Option<Value>,
}

impl<U: Attributes> Project<U> {
    /// An empty project.
    pub fn new(name: impl Into<String>) -> Project<U> {
        Project {
            name: name.into(),
            from: None,
            reply_to: None,
            segments: vec![],
            campaigns: vec![],
            transactions: vec![],
            providers: vec![],
            mailboxes: vec![],
            topics: vec![],
            postal: None,
            links_at: None,
            unsubscribe_by_mail: None,
            tracking: Tracking::default(),
            texts: BTreeMap::new(),
            windows: vec![],
            caps: vec![],
            problems: vec![],
            sample_user: None,
        }
    }

    /// The sender of every message: `Segflow <hello@segflow.example>`.
    pub fn from(mut self, mailbox: impl Into<String>) -> Project<U> {
        self.from = Some(mailbox.into());
        self
    }

    /// Where answers to every message go, if that is another mailbox than the sender: `Segflow <replies@segflow.example>`.
    pub fn reply_to(mut self, mailbox: impl Into<String>) -> Project<U> {
        self.reply_to = Some(mailbox.into());
        self
    }

    /// Adds segments. Those that a campaign or another segment names are part of the project anyway.
    pub fn segments(mut self, segments: impl IntoIterator<Item = Segment<U>>) -> Project<U> {
        self.segments.extend(segments);
        self
    }

    /// Adds a campaign.
    pub fn campaign(mut self, campaign: Campaign<U>) -> Project<U> {
        self.campaigns.push(campaign);
        self
    }

    /// Adds a transaction: `email` answers each event of the type that it takes, at least once.
    pub fn transaction<E: Event, F: Fn(&E) -> Message<U> + 'static>(
        self,
        id: impl Into<String>,
        email: F,
    ) -> Project<U> {
        self.transaction_with(Transaction::new(id, email))
    }

    /// Adds a transaction that says more: `Transaction::new("purchase", order_confirmed).at_most_once()`.
    pub fn transaction_with(mut self, transaction: Transaction) -> Project<U> {
        self.transactions.push(transaction);
        self
    }

    /// Adds a provider, such as [`Postmark::token`](crate::Postmark::token) or [`Smtp::url`](crate::Smtp::url).
    pub fn provider(mut self, provider: impl Into<Provider>) -> Project<U> {
        self.providers.push(provider.into());
        self
    }

    /// Looks for answers to messages in a mailbox, such as [`Imap::url`](crate::Imap::url): [`Replied`](crate::Replied). Some providers bring
    /// them by themselves ([`Postmark::replies`](crate::Postmark::replies), [`SendGrid::replies`](crate::SendGrid::replies)).
    pub fn replies(mut self, mailbox: impl Into<Mailbox>) -> Project<U> {
        self.mailboxes.push(mailbox.into());
        self
    }

    /// Adds a topic. Those that a campaign is about are part of the project anyway; readers see them in this order.
    pub fn topic(mut self, topic: Topic) -> Project<U> {
        self.topics.push(topic);
        self
    }

    /// The postal address of the sender, which laws of many countries ask for: `"Shop Ltd\n1 High Street\nLondon"`. An email of a campaign
    /// that does not have it, or has no link to unsubscribe, gets a line at its end with what is missing.
    pub fn postal(mut self, address: impl Into<String>) -> Project<U> {
        self.postal = Some(address.into());
        self
    }

    /// Where the links in emails lead that are the server's (to unsubscribe, to be counted): `https://mail.shop.example`, a name of the
    /// server's in the sender's own domain. Without this, where the server says.
    pub fn links_at(mut self, address: impl Into<String>) -> Project<U> {
        self.links_at = Some(address.into());
        self
    }

    /// An address that people can write to to unsubscribe, for mail programs that know no other way. Somebody must read it.
    pub fn unsubscribe_by_mail(mut self, address: impl Into<String>) -> Project<U> {
        self.unsubscribe_by_mail = Some(address.into());
        self
    }

    /// Counts who looks at emails, by a picture of one point that is fetched then: [`Opened`](crate::Opened). An email that says
    /// `#[email("receipt", track = false)]` has none. Some countries want readers to be asked first.
    pub fn track_opens(mut self) -> Project<U> {
        self.tracking.opens = true;
        self
    }

    /// Counts who follows links in emails, which then lead over the server: [`Clicked`](crate::Clicked). Links to unsubscribe never do, nor
    /// those of an email that says `#[email("receipt", track = false)]`.
    pub fn track_clicks(mut self) -> Project<U> {
        self.tracking.clicks = true;
        self
    }

    /// What the pages say that recipients see, in a language: `.texts("de", Texts { unsubscribe: "Abmelden", ..Texts::english() })`.
    /// Each reader gets the language that their browser asks for, or English.
    pub fn texts(mut self, language: impl Into<String>, texts: Texts<&'static str>) -> Project<U> {
        self.texts.insert(language.into(), texts.to_owned());
        self
    }

    /// No message of any campaign is sent in this span of the day, by the clocks where each user is. What is decided then waits;
    /// transactions do not.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String, time_zone: Option<String> }
    /// let project = Project::<Shopper>::new("shop").quiet_hours(between((22, 0), (8, 0)).or_zone("Europe/Berlin"));
    /// ```
    pub fn quiet_hours(mut self, span: When) -> Project<U> {
        take_window(span.closed(), "project".into(), &mut self.windows, &mut self.problems);
        self
    }

    /// One user gets no more messages than this of all campaigns together in any span of this length; transactions neither count nor
    /// wait. With several caps, all of them hold.
    ///
    /// ```
    /// # use segflow::prelude::*;
    /// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { email: String }
    /// let project = Project::<Shopper>::new("shop")
    ///     .frequency_cap(1, days(1), Beyond::Wait)       // the second of a day is sent tomorrow
    ///     .frequency_cap(10, days(30), Beyond::Drop);    // the eleventh of a month is not sent
    /// ```
    pub fn frequency_cap(mut self, messages: u32, per: Duration, beyond: Beyond) -> Project<U> {
        self.caps.push(Cap { messages, per: per.as_millis(), beyond });
        self
    }

    /// The user that emails are looked at with, where an email's own `sample(user = …)` names no other.
    pub fn sample_user(mut self, user: U) -> Project<U> {
        self.sample_user = Some(schema::to_value(&user));
        self
    }

    pub(crate) fn sample_of_user(&self) -> Option<&Value> {
        self.sample_user.as_ref()
    }

    pub(crate) fn campaign_of(&self, id: &str) -> Option<&Campaign<U>> {
        self.campaigns.iter().find(|campaign| campaign.id() == id)
    }

    /// All that is declared, and what is wrong with it.
    pub fn manifest(&self) -> Manifest {
        let (templates, mut problems) = templates::<U>();
        let (transactions, unknown): (Vec<_>, Vec<_>) =
            self.transactions.iter().map(Transaction::declaration).partition(Result::is_ok);
        problems.extend(self.problems.iter().cloned());
        problems.extend(self.campaigns.iter().flat_map(|campaign| campaign.problems().to_vec()));
        problems.extend(unknown.into_iter().filter_map(Result::err));
        let segments = self.all_segments();
        problems.extend(segments.iter().filter(|segment| compares_with_null(&segment.rule)).map(not_a_number));
        Manifest {
            name: self.name.clone(),
            sdk: env!("CARGO_PKG_VERSION").to_string(),
            from: self.from.clone(),
            reply_to: self.reply_to.clone(),
            user: U::fields(),
            address: U::ADDRESS.map(String::from),
            time_zone: U::TIME_ZONE.map(String::from),
            events: schema::declared_events(),
            segments,
            campaigns: self.campaigns.iter().map(Campaign::declaration).collect(),
            transactions: transactions.into_iter().filter_map(Result::ok).collect(),
            templates,
            providers: self.providers.iter().map(|provider| provider.0.clone()).collect(),
            mailboxes: self.mailboxes.iter().map(|mailbox| mailbox.0.clone()).collect(),
            topics: self.all_topics(),
            postal: self.postal.clone(),
            links_at: self.links_at.clone(),
            unsubscribe_by_mail: self.unsubscribe_by_mail.clone(),
            tracking: self.all_tracking(),
            texts: self.texts.clone(),
            windows: self.windows.clone(),
            caps: self.caps.clone(),
            problems,
        }
    }

    fn all_tracking(&self) -> Tracking {
        let Tracking { opens, clicks, .. } = self.tracking;
        Tracking { opens, clicks, except: if opens || clicks { untracked::<U>() } else { vec![] } }
    }

    /// Those that are listed, and those that campaigns are about. One id with two meanings is listed twice, for the server to refuse.
    fn all_topics(&self) -> Vec<protocol::Topic> {
        let mut all = vec![];
        for topic in self.topics.iter().chain(self.campaigns.iter().filter_map(Campaign::about)) {
            if !all.contains(&topic.0) {
                all.push(topic.0.clone());
            }
        }
        all
    }

    /// Those that are listed, those that campaigns name, and all that these name. The same one is listed once; one id with two rules is
    /// listed twice, for the server to refuse.
    fn all_segments(&self) -> Vec<protocol::Segment> {
        fn add<U>(segment: &Segment<U>, to: &mut Vec<protocol::Segment>) {
            let declaration = segment.declaration();
            if !to.contains(&declaration) {
                to.push(declaration);
                segment.uses.iter().for_each(|used| add(used, to));
            }
        }
        let mut all = vec![];
        let named = self.campaigns.iter().flat_map(Campaign::segments);
        named.chain(&self.segments).for_each(|segment| add(segment, &mut all));
        all
    }
}

/// JSON has no NaN and no infinity: comparing with one is written as comparing with null.
fn compares_with_null(rule: &Rule) -> bool {
    fn test(test: &Test) -> bool {
        match test {
            Test::Exists => false,
            Test::OneOf(values) => values.iter().any(Value::is_null),
            Test::Eq(v) | Test::Ne(v) | Test::Lt(v) | Test::Le(v) | Test::Gt(v) | Test::Ge(v) | Test::Contains(v) => {
                v.is_null()
            }
        }
    }
    fn condition(cond: &Cond) -> bool {
        match cond {
            Cond::All(parts) | Cond::Any(parts) => parts.iter().any(condition),
            Cond::Not(part) => condition(part),
            Cond::At { is, .. } => test(is),
        }
    }
    fn expression(expr: &Expr) -> bool {
        match expr {
            Expr::Everyone | Expr::Segment(_) => false,
            Expr::All(parts) | Expr::Any(parts) => parts.iter().any(expression),
            Expr::Not(part) => expression(part),
            Expr::User(cond) => condition(cond),
            Expr::Measure { events, is, .. } => test(is) || events.filter.as_ref().is_some_and(condition),
            Expr::When { events, .. } => events.filter.as_ref().is_some_and(condition),
        }
    }
    match rule {
        Rule::Expr(expr) => expression(expr),
        Rule::Sql(_) => false,
    }
}

fn not_a_number(segment: &protocol::Segment) -> Problem {
    Problem {
        code: "not_a_number".into(),
        message: format!(
            "segment `{}` compares with a value that JSON does not have (NaN, infinity, null)",
            segment.id
        ),
        place: Some(format!("segment {}", segment.id)),
    }
}
