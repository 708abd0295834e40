//! A project that changes over time. Which variant a module is stands in sixteen bytes of it, which tests overwrite: so one build gives
//! them all.

use segflow::prelude::*;

#[used]
static MARK: [u8; 16] = *b"variant:--------";

fn variant() -> &'static str {
    let mark = std::hint::black_box(&MARK);
    std::str::from_utf8(&mark["variant:".len()..]).unwrap_or_default().trim_end_matches('-')
}

#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
pub struct Person {
    #[serde(default)]
    pub name: String,
    pub email: String,
    #[serde(default)]
    pub visits: u32,
    #[serde(default)]
    pub keen: bool,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Order {
    pub number: String,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Visit {}

#[email("hello")]
pub fn hello(user: &Person) -> Email {
    let line = match variant() {
        "text" => "Good morning",
        // Only the file knows what is wrong with that.
        "misspelt" => "Misspelt",
        _ => "Hello",
    };
    template!("emails/line.html", user, line)
}

#[email("goodbye")]
pub fn goodbye(user: &Person) -> Email {
    let line = if variant() == "text" { "Farewell" } else { "Goodbye" };
    template!("emails/line.html", user, line)
}

#[email("receipt")]
pub fn receipt(user: &Person, order: &Order) -> Email {
    let line = format!("Order {}", order.number);
    template!("emails/line.html", user, line)
}

async fn greet(flow: Flow<Person>) {
    match variant() {
        "trap" => panic!("there is no {}", "cake"),
        // Filling costs much fuel and little time.
        "endless" => {
            let mut room = vec![0u8; 60_000];
            loop {
                room.fill(1);
                std::hint::black_box(&mut room);
            }
        }
        "crowd" => loop {
            flow.send(hello()).await;
        },
        _ => {}
    }
    flow.send(hello()).await;
    match variant() {
        "flow" => flow.wait(days(5)).await,
        _ => flow.wait(days(1)).await,
    }
    match variant() {
        "late" => panic!("there is no tea"),
        "count" => {
            let visits = flow.user().await.visits;
            flow.update(Person::patch().visits(visits + 1)).await;
        }
        _ => {}
    }
    flow.send(goodbye()).await;
}

async fn extra(flow: Flow<Person>) {
    flow.send(hello()).await;
}

async fn keen(flow: Flow<Person>) {
    flow.update(Person::patch().keen(false)).await;
}

async fn lazy(flow: Flow<Person>) {
    flow.update(Person::patch().keen(true)).await;
}

fn everyone() -> Segment<Person> {
    Segment::everyone("everyone")
}

/// Changes by itself as time goes by.
fn quiet() -> Segment<Person> {
    Segment::new("quiet", events::<Visit>().last().older_than(days(30)))
}

fn is_keen() -> Segment<Person> {
    Segment::new("keen", user::<Person>(|u| u.keen.eq(true)))
}

fn is_lazy() -> Segment<Person> {
    Segment::new("lazy", user::<Person>(|u| u.keen.eq(false)))
}

#[segflow::project]
pub fn variants() -> Project<Person> {
    let project = Project::new("variants")
        .from("Variants <variants@segflow.example>")
        .transaction("receipt", receipt)
        .provider(Capture);
    let greet = || Campaign::new("greet", greet).enters(everyone());
    match variant() {
        "less" => project.segments([everyone()]),
        "more" => project.campaign(greet()).campaign(Campaign::new("extra", extra).enters(everyone())),
        "often" => project.campaign(greet().at_least_once()),
        "quiet" => project.campaign(Campaign::new("extra", extra).enters(quiet()).dynamic()),
        "toggle" => project
            .campaign(Campaign::new("keen", keen).enters(is_keen()).dynamic())
            .campaign(Campaign::new("lazy", lazy).enters(is_lazy()).dynamic()),
        _ => project.campaign(greet()),
    }
}
