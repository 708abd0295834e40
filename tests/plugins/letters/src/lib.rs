//! What people want to be written to about, and when. Which variant a module is stands in sixteen bytes of it, which tests overwrite.

use segflow::When;
use segflow::prelude::*;

#[used]
static MARK: [u8; 16] = *b"variant:--------";

fn variant() -> &'static str {
    let mark = std::hint::black_box(&MARK);
    std::str::from_utf8(&mark["variant:".len()..]).unwrap_or_default().trim_end_matches('-')
}

#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
pub struct Person {
    pub email: String,
    /// The campaign that the user is in.
    #[serde(default)]
    pub does: String,
    pub time_zone: Option<String>,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Order {
    pub number: u32,
}

#[email("letter")]
pub fn letter(user: &Person, line: &str) -> Email {
    html! {
        <Subject>{line}</Subject>
        <Text>"To " {&user.email} ": " {line}</Text>
        <Text>
            <Unsubscribe>"Unsubscribe"</Unsubscribe> " " <Preferences>"Preferences"</Preferences> " "
            <OpenInBrowser>"Open in browser"</OpenInBrowser>
        </Text>
    }
}

#[email("offer")]
pub fn offer(user: &Person) -> Email {
    html! {
        <Subject>"An offer"</Subject>
        <Text>
            <Link href="https://shop.example/offer?a=1&b=2">"See it"</Link> " "
            <Link href={format!("https://shop.example/for/{}", user.email)}>"Yours"</Link> " "
            <Link href="mailto:shop@shop.example">"Write"</Link>
        </Text>
        <Text><Unsubscribe>"Unsubscribe"</Unsubscribe></Text>
    }
}

/// Nobody is to know who reads it.
#[email("private", track = false)]
pub fn private(_user: &Person) -> Email {
    html! {
        <Subject>"Private"</Subject>
        <Text><Link href="https://shop.example/private">"Look"</Link></Text>
    }
}

/// Without a way out.
#[email("bare")]
pub fn bare(_user: &Person) -> Email {
    html! {
        <Subject>"Bare"</Subject>
        <Body lang="de"><Text>"Hallo."</Text></Body>
    }
}

#[email("receipt")]
pub fn receipt(_user: &Person, order: &Order) -> Email {
    html! {
        <Subject>"Order " {order.number}</Subject>
        <Text>"It is on its way."</Text>
        <Button href={segflow::links::CONFIRM}>"This is my address"</Button>
    }
}

/// One a day, for five days.
async fn daily(flow: Flow<Person>) {
    for day in 1..=5 {
        flow.send(letter(&format!("day {day}"))).await;
        flow.wait(days(1)).await;
    }
}

/// What comes next depends on what becomes of the first one.
async fn attentive(flow: Flow<Person>) {
    flow.send(letter("first")).await;
    let opened = flow.wait_for::<Opened>().matching(|o| o.campaign.eq("attentive")).within(days(2)).await;
    let clicked = flow.wait_for::<Clicked>().matching(|c| c.link.contains("offer")).within(days(2)).await;
    let line = match (opened, clicked) {
        (None, _) => "not opened",
        (Some(_), None) => "opened",
        (Some(_), Some(_)) => "clicked",
    };
    flow.send(letter(line)).await;
}

/// Goes by what is done with its own message.
async fn watched(flow: Flow<Person>) {
    flow.send(letter("before")).await;
    flow.send(offer()).await;
    let opened = flow.opened().within(days(2)).await.is_some();
    let clicked = flow.clicked().matching(|c| c.link.contains("/offer")).within(days(1)).await.is_some();
    flow.send(private()).await;
    flow.send(letter(&format!("opened {opened}, clicked {clicked}"))).await;
}

/// Asks twice, and goes by an answer to either.
async fn asked(flow: Flow<Person>) {
    flow.send(letter("first question")).await;
    flow.wait(days(1)).await;
    flow.send(letter("second question")).await;
    let line = match flow.replied().within(days(2)).await {
        Some(reply) => format!("{} said {}", reply.subject, reply.text),
        None => "no answer".into(),
    };
    flow.send(letter(&line)).await;
}

async fn once(flow: Flow<Person>) {
    flow.send(bare()).await;
    flow.wait(days(1)).await;
}

fn news() -> Topic {
    Topic::new("news", "News").about("What is new, every day.")
}

fn tips() -> Topic {
    Topic::new("tips", "Tips").opt_in()
}

fn does(campaign: &str) -> Segment<Person> {
    Segment::new(format!("does-{campaign}"), user::<Person>(|u| u.does.eq(campaign)))
}

fn german() -> Texts<&'static str> {
    Texts {
        unsubscribe: "Abmelden",
        topic_question: "Möchten Sie „{topic}“ von {sender} nicht mehr bekommen?",
        unsubscribed: "Sie sind abgemeldet",
        preferences: "Was möchten Sie bekommen?",
        ..Texts::english()
    }
}

#[segflow::project]
pub fn letters() -> Project<Person> {
    let campaign = |id: &str| Campaign::new(id, daily).enters(does(id));
    let project = Project::new("letters").from("The Letters <letters@segflow.example>");
    if variant() == "counted" {
        let watched = Campaign::new("watched", watched).enters(does("watched"));
        let readers = Segment::new("readers", events::<Opened>().filter(|o| o.template.eq("offer")).exists());
        let own = Endpoint::url("VENDOR_URL").token("MAIL_TOKEN");
        return project.provider(own).campaign(watched).segments([readers]).track_opens().track_clicks();
    }
    if variant() == "replies" {
        return project
            .reply_to("Answers <answers@in.segflow.example>")
            .provider(Endpoint::url("VENDOR_URL").token("MAIL_TOKEN"))
            .provider(Postmark::token("POSTMARK_TOKEN").replies("REPLIES").priority(2))
            .provider(SendGrid::key("SENDGRID_KEY").replies("REPLIES").priority(2))
            .provider(Resend::key("RESEND_KEY").priority(2))
            .replies(Imap::url("IMAP_URL").every(seconds(1)))
            .replies(Imap::url("IMAP_URL").folder("Replies").every(hours(1)).named("second"))
            .segments([Segment::new("talkers", events::<Replied>().exists())])
            .campaign(campaign("plain"))
            .campaign(campaign("ends").exits_on_reply())
            .campaign(campaign("rests").pauses_on_reply())
            .campaign(Campaign::new("asked", asked).enters(does("asked")));
    }
    let project = project.provider(Capture);
    let project = match variant() {
        "wrong" => project.topic(Topic::new("news", "Something else")),
        "bad" => project.links_at("ftp://x").unsubscribe_by_mail("nobody").postal(" "),
        "polite" => project.quiet_hours(between((22, 0), (8, 0)).or_zone("Europe/Berlin")).frequency_cap(
            2,
            days(1),
            Beyond::Wait,
        ),
        "rude" => {
            let rude = |id: &str, hours: When| Campaign::new(id, once).enters(does(id)).window(hours);
            project
                .quiet_hours(between((22, 0), (8, 0)).on(WORKDAYS))
                .campaign(rude("instant", at(9, 0)))
                .campaign(rude("never", business_hours().on([])))
        }
        // They are told of what becomes of messages; all of these are captured.
        "heard" => project
            .provider(Postmark::token("POSTMARK_TOKEN").webhook("POSTMARK_HOOK").priority(2))
            .provider(Ses::region("eu-central-1", "SES_KEY_ID", "SES_KEY").webhook("SES_TOPIC").priority(2))
            .provider(SendGrid::key("SENDGRID_KEY").webhook("SENDGRID_HOOK").priority(2))
            .provider(Resend::key("RESEND_KEY").webhook("RESEND_HOOK").priority(2))
            .provider(Resend::key("RESEND_KEY").priority(2).named("silent"))
            .segments([Segment::new("gone-away", events::<Bounced>().filter(|b| b.kind.eq("hard")).exists())])
            .campaign(campaign("angry").exits_on(events::<Complained>()))
            .campaign(Campaign::new("attentive", attentive).enters(does("attentive"))),
        // For those who want no choice.
        "plain" => return project.campaign(campaign("plain")),
        _ => project
            .postal("Letters & Co\n1 High Street, London")
            .unsubscribe_by_mail("stop@segflow.example")
            .texts("de", german()),
    };
    project
        .campaign(campaign("plain"))
        .campaign(campaign("news").topic(news()).exits_on(events::<Unsubscribed>().filter(|u| u.topic.eq("news"))))
        .campaign(campaign("tips").topic(tips()))
        .campaign(campaign("sulk").pauses_on(events::<Unsubscribed>()))
        .campaign(Campaign::new("bare", once).enters(does("bare")))
        .campaign(Campaign::new("sorry", once).enters(Segment::new("gone", events::<Unsubscribed>().exists())))
        .transaction("receipt", receipt)
}
