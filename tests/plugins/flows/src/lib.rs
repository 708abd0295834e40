//! Every verb of a flow. What becomes of each is told by the subjects of the emails that it sends. Which variant a module is stands in
//! sixteen bytes of it, which tests overwrite.

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
    #[serde(default)]
    pub hook: String,
    pub time_zone: Option<String>,
    pub cart: Option<String>,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Order {
    pub number: u32,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Done {}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Ring {}

#[email("note")]
pub fn note(user: &Person, line: &str) -> Email {
    line_to(user, line)
}

#[email("rung")]
pub fn rung(user: &Person, ring: &Ring) -> Email {
    let Ring {} = ring;
    line_to(user, "you rang")
}

fn line_to(user: &Person, line: &str) -> Email {
    html! {
        <Subject>{line}</Subject>
        <Text>"To " {&user.email} ": " {line}</Text>
    }
}

async fn hear(flow: Flow<Person>) {
    while let Some(order) = flow.wait_for::<Order>().matching(|o| o.number.gt(5)).within(days(3)).await {
        flow.send(note(&format!("heard {}", order.number))).await;
    }
    flow.send(note("silence")).await;
}

async fn meet(flow: Flow<Person>) {
    flow.wait_until(next(Monday).at(9, 0)).await;
    flow.send(note(&format!("it is {}", flow.now()))).await;
}

async fn ask(flow: Flow<Person>) {
    flow.wait(days(1)).await;
    let count = flow.count(events::<Order>()).await;
    let sum = flow.sum(events::<Order>().within(hours(36)), |o| o.number).await;
    let big = flow.in_segment(Segment::new("big", events::<Order>().count().ge(2))).await;
    let arm = flow.experiment("subject", ["a", "b"]).await;
    flow.send(note(&format!("{count} {sum} {big} {}", ["a", "b"].contains(&arm)))).await;
    flow.goal("asked").await;
}

async fn call(flow: Flow<Person>) -> Result<(), WebhookError> {
    let hook = flow.user().await.hook.clone();
    let request = Webhook::post(hook).json(&flow.user_id()).secret("authorization", "HOOK_SECRET").attempts(3);
    let answer = flow.webhook(request).await?;
    flow.send(note(&format!("{} {}", answer.status, answer.body))).await;
    Ok(())
}

async fn work(flow: Flow<Person>) {
    let task = flow.task(Task::new("Call them").assignee("sales").due(days(1)));
    match race(task, flow.wait(days(2))).await {
        Either::First(done) => flow.send(note(&format!("done {}", done.result))).await,
        Either::Second(()) => flow.send(note("nobody did it")).await,
    }
}

async fn chain(flow: Flow<Person>) {
    flow.emit(&Order { number: 9 }).await;
    flow.start("hear").await;
    flow.wait(hours(1)).await;
    flow.emit(&Order { number: 7 }).await;
    flow.wait(hours(1)).await;
    flow.stop("hear").await;
    flow.exit("that is all").await;
}

#[derive(Default, Serialize, Deserialize)]
struct Rounds(u32);

async fn rounds(flow: Flow<Person, Rounds>) {
    let Rounds(count) = flow.state();
    // A journal of some size, so that there are chunks.
    for _ in 0..400 {
        flow.user().await;
        flow.update(Person::patch().cart(format!("{count} {}", "x".repeat(20)))).await;
    }
    flow.send(note(&format!("round {count}"))).await;
    flow.wait(days(1)).await;
    flow.continue_as_new(Rounds(count + 1)).await;
}

/// What benches play: two emails, a second apart.
async fn pair(flow: Flow<Person>) {
    flow.send(note("one")).await;
    flow.wait(seconds(1)).await;
    flow.send(note("two")).await;
}

/// What benches let sleep.
async fn sleep(flow: Flow<Person>) {
    flow.wait(days(300)).await;
    flow.send(note("awake")).await;
}

async fn nap(flow: Flow<Person>) {
    flow.wait(seconds(20)).await;
    flow.send(note("awake")).await;
}

async fn drip(flow: Flow<Person>) {
    match variant() {
        // Another first step: nobody who has begun can move.
        "other" => flow.update(Person::patch().does("drip")).await,
        // The same, with another text: everybody can.
        "text" => flow.send(note("one, corrected")).await,
        _ => flow.send(note("one")).await,
    }
    flow.wait(days(1)).await;
    if variant() == "broken" {
        panic!("there is no tea");
    }
    flow.send(note(if variant() == "text" { "two, corrected" } else { "two" })).await;
    flow.wait(days(1)).await;
    if variant() == "later" {
        flow.goal("later").await;
    }
    flow.send(note("three")).await;
}

async fn win(flow: Flow<Person>) {
    flow.send(note("try")).await;
    flow.goal("at once").await;
    flow.wait(days(1)).await;
    flow.goal("won").await;
    flow.wait(days(6)).await;
    flow.goal("late").await;
}

fn does(campaign: &str) -> Segment<Person> {
    Segment::new(format!("does-{campaign}"), user::<Person>(|u| u.does.eq(campaign)))
}

#[segflow::project]
pub fn flows() -> Project<Person> {
    let drip = Campaign::new("drip", drip).enters(does("drip")).exits_on(events::<Done>());
    let cart = Campaign::new("cart", hear).enters(does("cart")).once_per(|u| u.cart);
    let project = Project::new("flows").from("Flows <flows@segflow.example>").provider(Capture);
    let project = match variant() {
        "policy" => project.campaign(drip.in_flight(InFlight::Restart)),
        _ => project.campaign(drip),
    };
    project
        .campaign(Campaign::new("hear", hear).enters(does("hear")))
        .campaign(Campaign::new("meet", meet).enters(does("meet")))
        .campaign(Campaign::new("ask", ask).enters(does("ask")))
        .campaign(Campaign::new("call", call).enters(does("call")))
        .campaign(Campaign::new("pair", pair).enters(does("pair")))
        .campaign(Campaign::new("sleep", sleep).enters(does("sleep")))
        .campaign(Campaign::new("nap", nap).enters(does("nap")))
        .campaign(Campaign::new("win", win).enters(does("win")))
        .campaign(Campaign::new("work", work).enters(does("work")))
        .campaign(Campaign::new("chain", chain).enters(does("chain")))
        .campaign(Campaign::new("rounds", rounds).enters(does("rounds")))
        .campaign(cart)
        .transaction("ring", rung)
}
