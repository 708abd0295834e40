//! The shop that the unit tests of this crate share, and what a project says of itself.

use segflow_core::Plugin;
use segflow_protocol::{Json, Render, Request, Response, decode, encode};
use serde_json::{Value, json};

use crate::prelude::*;
use crate::{Native, When, dispatch};

#[derive(Debug, Clone, Default, PartialEq, Attributes, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[attributes(address = "mail", time_zone = "zone")]
pub struct Shopper {
    pub username: String,
    #[serde(rename = "e-mail")]
    pub mail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(default)]
    pub visits: u32,
    #[serde(default = "utc")]
    pub zone: String,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub plan: Plan,
    #[serde(default)]
    pub last_order: Option<Purchase>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    #[default]
    Free,
    Paid,
}

fn utc() -> String {
    "UTC".into()
}

#[derive(Debug, Clone, PartialEq, Event, Serialize, Deserialize)]
pub struct Purchase {
    pub value: f64,
    pub order_id: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "signed in")]
#[serde(default)]
pub struct Login {
    pub count: i64,
    pub device: Option<String>,
}

impl Default for Login {
    fn default() -> Login {
        Login { count: 1, device: Some("phone".into()) }
    }
}

pub fn ada() -> Shopper {
    Shopper { username: "Ada".into(), mail: Some("ada@example.com".into()), zone: utc(), ..Shopper::default() }
}

#[email("hello")]
pub fn hello(round: u32, user: &Shopper, name: &str) -> Email {
    template!("tests/emails/hello.html", user, round, name)
}

#[email("bought")]
pub fn bought(user: &Shopper, purchase: &Purchase) -> Email {
    template!("tests/emails/bought.html", user, purchase, double = purchase.value * 2.0)
}

#[email("listed")]
fn listed(_user: &Shopper, names: &[String], limit: Option<usize>) -> Email {
    let names = &names[..limit.unwrap_or(names.len())];
    template!("tests/emails/listed.html", names)
}

pub fn shop<F: Future<Output: crate::Outcome> + 'static>(
    flow: impl Fn(Flow<Shopper>) -> F + Send + Sync + 'static,
) -> Project<Shopper> {
    Project::new("shop")
        .campaign(Campaign::new("main", flow).enters(Segment::everyone("everyone")))
        .transaction("bought", bought)
        .provider(Smtp::url("SMTP_URL"))
}

async fn nothing(_: Flow<Shopper>) {}

fn manifest(project: &Project<Shopper>) -> Value {
    serde_json::to_value(project.manifest()).expect("JSON")
}

fn render(template: &str, user: &Shopper, args: Value) -> Result<segflow_protocol::Rendered, String> {
    let render =
        Render { template: template.into(), user: Json::of(user).expect("JSON"), args: Json(args.to_string()) };
    match dispatch::respond(&shop(nothing), Request::Render(render)) {
        Response::Rendered(rendered) => Ok(rendered),
        Response::Refused(why) => Err(why),
        other => panic!("not an answer to a render: {other:?}"),
    }
}

#[test]
fn the_manifest_names_attributes_and_events_as_json_has_them() {
    let manifest = manifest(&shop(nothing));
    let field = |name: &str, ty: Value, required: bool| json!({"name": name, "type": ty, "required": required});
    let with = |mut field: Value, default: Value| {
        field["default"] = default;
        field
    };
    let expected = json!([
        field("username", json!("string"), true),
        field("e-mail", json!("string"), false),
        field("nickname", json!("string"), false),
        with(field("visits", json!("integer"), false), json!(0)),
        with(field("zone", json!("string"), false), json!("UTC")),
        with(field("tags", json!({"list": "string"}), false), json!([])),
        with(field("plan", json!("any"), false), json!("free")),
        field("lastOrder", json!("any"), false),
    ]);
    assert_eq!(manifest["user"], expected);
    assert_eq!((&manifest["address"], &manifest["time_zone"]), (&json!("e-mail"), &json!("zone")));
    let expected = json!([
        {"name": "bought", "fields": [field("value", json!("number"), true)]},
        {"name": "looked", "fields": []},
        {"name": "purchase", "fields": [field("value", json!("number"), true), field("order_id", json!("string"), true)]},
        {"name": "signed in", "fields": [
            with(field("count", json!("integer"), false), json!(1)),
            with(field("device", json!("string"), false), json!("phone")),
        ]},
    ]);
    assert_eq!(manifest["events"], expected);
}

#[test]
fn the_manifest_names_what_the_project_is_made_of() {
    let big = || {
        Segment::new(
            "big",
            events::<Purchase>().filter(|p| p.value.gt(10.0)).within(days(90)).sum(|p| p.value).gt(1000.0),
        )
    };
    let quiet = || Segment::new("quiet", events::<Login>().last().or_never().older_than(days(30)).and(big()));
    let project = shop(nothing)
        .from("Shop <shop@example.com>")
        .segments([quiet(), Segment::sql("beta", "SELECT id FROM users")])
        .campaign(Campaign::new("second", nothing).enters(quiet()).excludes(big()).dynamic().at_least_once())
        .transaction_with(Transaction::new("again", bought).at_most_once());
    let manifest = manifest(&project);
    assert_eq!((&manifest["name"], &manifest["from"]), (&json!("shop"), &json!("Shop <shop@example.com>")));
    let day: i64 = 86_400_000;
    let expected = json!([
        {"id": "everyone", "rule": {"expr": "everyone"}},
        {"id": "quiet", "rule": {"expr": {"all": [
            {"when": {"events": {"name": "signed in"}, "which": "last", "is": {"older_than": 30 * day}, "or_never": true}},
            {"segment": "big"},
        ]}}},
        {"id": "big", "rule": {"expr": {"measure": {
            "events": {
                "name": "purchase",
                "filter": {"at": {"path": ["value"], "is": {"gt": 10.0}}},
                "within": 90 * day,
            },
            "measure": {"sum": ["value"]},
            "is": {"gt": 1000.0},
        }}}},
        {"id": "beta", "rule": {"sql": "SELECT id FROM users"}},
    ]);
    assert_eq!(manifest["segments"], expected);
    let expected = json!([
        {"id": "main", "segments": ["everyone"], "exclude_segments": [], "mode": "static", "guarantee": "at_most_once"},
        {"id": "second", "segments": ["quiet"], "exclude_segments": ["big"], "mode": "dynamic", "guarantee": "at_least_once"},
    ]);
    assert_eq!(manifest["campaigns"], expected);
    let transaction = |id: &str, guarantee: &str| json!({"id": id, "event": "purchase", "template": "bought", "argument": "purchase", "guarantee": guarantee});
    assert_eq!(
        manifest["transactions"],
        json!([transaction("bought", "at_least_once"), transaction("again", "at_most_once")])
    );
    assert_eq!(manifest["providers"], json!([{"id": "smtp", "kind": {"smtp": {"url": "SMTP_URL"}}}]));
    let templates: Vec<(&str, &Value)> = manifest["templates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|t| (t["id"].as_str().unwrap_or_default(), &t["arguments"]))
        .collect();
    let expected = [
        ("bought", &json!([{"name": "purchase", "type": "&Purchase"}])),
        ("hello", &json!([{"name": "round", "type": "u32"}, {"name": "name", "type": "&str"}])),
        ("listed", &json!([{"name": "names", "type": "&[String]"}, {"name": "limit", "type": "Option<usize>"}])),
        (
            "words",
            &json!([
                {"name": "name", "type": "&str"},
                {"name": "names", "type": "&[String]"},
                {"name": "n", "type": "u32"},
            ]),
        ),
    ];
    assert_eq!(templates, expected);
    assert_eq!(manifest.get("problems"), None);
}

#[test]
fn one_segment_id_with_two_rules_is_left_for_the_server_to_refuse() {
    let project = shop(nothing)
        .segments([Segment::everyone("everyone"), Segment::new("everyone", user::<Shopper>(|u| u.visits.ge(2)))]);
    assert_eq!(manifest(&project)["segments"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_comparison_with_nan_is_a_problem() {
    let project = shop(nothing).segments([Segment::new("nan", events::<Purchase>().max(|p| p.value).gt(f64::NAN))]);
    assert_eq!(manifest(&project)["problems"][0]["code"], "not_a_number");
}

#[test]
fn a_transaction_needs_the_email_itself() {
    let wrapped = |purchase: &Purchase| bought(purchase);
    let project: Project<Shopper> = Project::new("x").transaction("t", wrapped);
    let manifest = manifest(&project);
    assert_eq!((&manifest["problems"][0]["code"], &manifest["transactions"]), (&json!("unknown_template"), &json!([])));
}

#[test]
fn conditions_of_every_kind() {
    let segment: Segment<Shopper> = Segment::new(
        "all",
        user::<Shopper>(|u| {
            u.username.eq("a").or(u.mail.ne(String::from("b"))).or(u.nickname.exists().not()).and(u.tags.contains("x"))
        })
        .and(user::<Shopper>(|u| u.plan.one_of([Plan::Paid]).and(u.username.contains("d")).and(u.visits.le(3))))
        .or(!events::<Login>().count().eq(0))
        .or(events::<Purchase>().first().within(hours(1))),
    );
    let at = |path: &str, is: Value| json!({"at": {"path": [path], "is": is}});
    let expected = json!({"expr": {"any": [
        {"all": [
            {"user": {"all": [
                {"any": [
                    at("username", json!({"eq": "a"})),
                    at("e-mail", json!({"ne": "b"})),
                    {"not": at("nickname", json!("exists"))},
                ]},
                at("tags", json!({"contains": "x"})),
            ]}},
            {"user": {"all": [
                at("plan", json!({"one_of": ["paid"]})),
                at("username", json!({"contains": "d"})),
                at("visits", json!({"le": 3})),
            ]}},
        ]},
        {"not": {"measure": {"events": {"name": "signed in"}, "measure": "count", "is": {"eq": 0}}}},
        {"when": {"events": {"name": "purchase"}, "which": "first", "is": {"within": 3_600_000}, "or_never": false}},
    ]}});
    assert_eq!(serde_json::to_value(&segment.rule).expect("JSON"), expected);
}

#[test]
fn messages_carry_their_arguments_and_render_from_them() {
    let message = hello(3, "<Ada>");
    let args = message.json().expect("JSON");
    assert_eq!(args.0, r#"{"name":"<Ada>","round":3}"#);
    let rendered = render("hello", &ada(), args.read().expect("JSON")).expect("it renders");
    assert_eq!(rendered.subject, "Hello Ada, 3");
    assert_eq!(rendered.html, "<p>Hello &lt;Ada&gt; (, UTC)</p>");
    assert_eq!(rendered.text, "Hello <Ada> (, UTC)\n");
    let rendered = render("bought", &ada(), json!({"purchase": {"value": 1.5, "order_id": "A"}})).expect("it renders");
    assert_eq!(rendered.text, "A 1.5 3.0");
    let rendered = render("listed", &ada(), json!({"names": ["a", "b", "c"], "limit": 2})).expect("it renders");
    assert_eq!(rendered.html, "a, b");
}

#[test]
fn what_cannot_be_rendered_is_refused_with_the_reason() {
    assert_eq!(render("helo", &ada(), json!({})), Err("there is no template `helo`".into()));
    let error = render("hello", &ada(), json!({"round": "x", "name": "y"})).expect_err("`x` is no number");
    assert!(error.starts_with("template `hello`: the argument `round` does not fit"), "{error}");
    let render =
        Render { template: "hello".into(), user: Json(r#"{"username": null}"#.into()), args: Json("{}".into()) };
    let Response::Refused(why) = dispatch::respond(&shop(nothing), Request::Render(render)) else { panic!("refused") };
    assert!(why.starts_with("template `hello`: the user has no attribute `username`"), "{why}");
}

#[test]
fn bytes_are_answered_with_bytes() {
    let answer = dispatch::answer(|| shop(nothing), &encode(&Request::Describe));
    assert!(matches!(decode(&answer), Ok(Response::Manifest(_))));
    let answer = dispatch::answer(|| shop(nothing), &[250, 1, 2]);
    assert!(matches!(decode(&answer), Ok(Response::Refused(_))));
}

#[test]
fn a_panic_is_a_trap_with_its_place() {
    let plugin = Native::new(shop(nothing));
    assert!(plugin.call(&Request::Describe).is_ok());
    let render = Render {
        template: "listed".into(),
        user: Json::of(&ada()).expect("JSON"),
        args: Json(json!({"names": [], "limit": 2}).to_string()),
    };
    let trap = plugin.call(&Request::Render(render)).expect_err("the slice is too short").to_string();
    assert!(trap.contains("out of range") && trap.contains("(segflow-sdk/src/tests.rs:"), "{trap}");
}

#[test]
fn raw_sql_may_have_a_period() {
    let idle: Segment<Shopper> = Segment::sql("idle", "SELECT id FROM users").every(crate::hours(6));
    assert_eq!(
        crate::schema::to_value(&idle.declaration()),
        json!({"id": "idle", "rule": {"sql": "SELECT id FROM users"}, "every": 21_600_000})
    );
}

#[email("words")]
fn words(_user: &Shopper, name: &str, names: &[String], n: u32) -> Email {
    template!("tests/emails/words.html", name, names, n)
}

/// Those that the macro lets pass.
#[test]
fn files_have_every_filter_and_test_that_the_macro_knows() {
    let rendered = render("words", &ada(), json!({ "name": "aDa", "names": ["a", "b"], "n": 7 })).expect("it renders");
    assert_eq!(rendered.subject, "Ada");
    let words = rendered.html.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words, "<p>7 aDa a 7.00 a+b b 2 ada aDa 3.0 <b> Ada x ADA tests</p>");
    // What is taken as HTML loses its tags in the text.
    assert_eq!(rendered.text, "7 aDa a 7.00 a+b b 2 ada aDa 3.0 Ada x ADA tests\n");
}

/// What a window of a campaign, and of quiet hours, is written as; or what is wrong with it.
fn windows(campaign: Campaign<Shopper>) -> (Value, Vec<String>) {
    let mut manifest = json!(Project::new("shop").campaign(campaign).manifest());
    let problems = manifest["problems"].as_array().cloned().unwrap_or_default();
    let told = problems.iter().map(|problem| problem["message"].as_str().unwrap_or_default().to_string());
    (manifest["campaigns"][0]["windows"].take(), told.collect())
}

#[test]
fn policies_are_declared_as_they_are_said() {
    async fn nothing(_: Flow<Shopper>) {}
    let campaign = || Campaign::new("c", nothing).enters(Segment::everyone("all"));
    let office = business_hours().or_zone("Europe/Berlin");
    let open = json!([{ "days": 31, "from": 540, "to": 1020, "or_zone": "Europe/Berlin" }]);
    assert_eq!(windows(campaign().window(office)), (open, vec![]));
    let quiet = |from: (u8, u8), to: (u8, u8)| windows(campaign().quiet_hours(between(from, to))).0;
    assert_eq!(quiet((22, 0), (8, 30)), json!([{ "from": 510, "to": 1320 }]), "open in what is left of the day");
    assert_eq!(quiet((20, 0), (24, 0)), json!([{ "from": 0, "to": 1200 }]));
    assert_eq!(quiet((0, 0), (7, 0)), json!([{ "from": 420, "to": 0 }]));
    for (hours, says) in [(at(9, 0), "span of the day"), (next(Monday), "span of the day")] {
        type Declare = fn(Campaign<Shopper>, When) -> Campaign<Shopper>;
        let wrong: [(Declare, &str); 2] = [(Campaign::window, "window"), (Campaign::quiet_hours, "quiet hours")];
        for (declare, word) in wrong {
            let (declared, problems) = windows(declare(campaign(), hours.clone()));
            assert!(declared.is_null() && problems[0].contains(says) && problems[0].contains(word), "{problems:?}");
        }
    }
    let (_, problems) = windows(campaign().quiet_hours(between((22, 0), (8, 0)).on(WORKDAYS)));
    assert!(problems[0].contains("every day"), "{problems:?}");

    let project = Project::new("shop")
        .frequency_cap(3, days(7), Beyond::Wait)
        .frequency_cap(10, days(30), Beyond::Drop)
        .campaign(campaign().per_day_in("Europe/Berlin", 500).max_age(hours(6)))
        .campaign(Campaign::new("d", nothing).enters(Segment::everyone("all")).per_day(1));
    let manifest = json!(project.manifest());
    let caps = json!([
        { "messages": 3, "per": 604_800_000, "beyond": "wait" },
        { "messages": 10, "per": 2_592_000_000i64, "beyond": "drop" },
    ]);
    assert_eq!(manifest["caps"], caps);
    let campaigns = &manifest["campaigns"];
    assert_eq!(campaigns[0]["per_day"], json!({ "messages": 500, "zone": "Europe/Berlin" }));
    assert_eq!((&campaigns[0]["max_age"], &campaigns[1]["per_day"]), (&json!(21_600_000), &json!({ "messages": 1 })));
}
