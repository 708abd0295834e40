//! What emails are looked at with: declared, typed, and made up where nothing is declared.

use segflow::__private::Json;
use segflow::core::protocol::{Render, Request, Response, Sample, Samples};
use segflow::dispatch::respond;
use segflow::prelude::*;
use serde_json::json;

#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
struct Shopper {
    first_name: String,
    email: String,
    #[serde(default)]
    vip: bool,
    time_zone: Option<String>,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
struct Purchase {
    value: f64,
    order_id: String,
}

#[email("declared", sample(user = ada(), purchase = Purchase { value: 9.5, order_id: "B-7".into() }, words = "hello", tags = ["a".to_string()], percent = 5))]
fn declared(user: &Shopper, purchase: &Purchase, words: &str, tags: &[String], percent: u8) -> Email {
    html! {
        <Subject>{&user.first_name} " " {&purchase.order_id} " " {words} " " {tags.join("+")} " " {percent}</Subject>
        <Text>{purchase.value}</Text>
    }
}

#[email("several", sample("few", percent = 1), sample("many", percent = 99))]
fn several(user: &Shopper, percent: u8, news: &[String]) -> Email {
    html! { <Subject>{&user.first_name} " " {percent}</Subject> <ul>for line in news { <li>{line}</li> }</ul> }
}

#[email("made-up")]
fn made_up(user: &Shopper, purchase: &Purchase) -> Email {
    html! { <Subject>{&user.first_name} " " {&purchase.order_id}</Subject> <Text>{purchase.value}</Text> }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Kind {
    Big { size: u8 },
}

#[email("impossible")]
fn impossible(_user: &Shopper, kind: Kind) -> Email {
    let Kind::Big { size } = kind;
    html! { <Subject>{size}</Subject> <Text>"-"</Text> }
}

#[email("misspelt")]
fn misspelt(user: &Shopper) -> Email {
    template!("tests/emails/misspelt.html", user)
}

fn ada() -> Shopper {
    Shopper { first_name: "Ada B.".into(), email: "ada@shop.example".into(), vip: true, time_zone: None }
}

fn samples(project: &Project<Shopper>) -> Samples {
    match respond(project, Request::Samples) {
        Response::Samples(samples) => samples.read().expect("JSON"),
        other => panic!("{other:?}"),
    }
}

fn subject(project: &Project<Shopper>, template: &str, sample: &Sample) -> String {
    let (user, args) = (Json(sample.user.to_string()), Json(json!(sample.args).to_string()));
    match respond(project, Request::Render(Render { template: template.into(), user, args })) {
        Response::Rendered(rendered) => rendered.subject,
        other => panic!("{template}: {other:?}"),
    }
}

#[test]
fn what_is_declared_is_taken() {
    let project = Project::new("shop");
    let samples = samples(&project);
    let [sample] = &samples.emails["declared"][..] else { panic!("one") };
    assert!(sample.made_up.is_empty() && sample.name.is_none() && sample.problem.is_none(), "{sample:?}");
    assert_eq!(subject(&project, "declared", sample), "Ada B. B-7 hello a 5");
}

#[test]
fn an_email_has_several_and_what_they_leave_out_is_made_up() {
    let project = Project::new("shop");
    let samples = samples(&project);
    let [few, many] = &samples.emails["several"][..] else { panic!("two") };
    assert_eq!((few.name.as_deref(), many.name.as_deref()), (Some("few"), Some("many")));
    assert_eq!(
        (subject(&project, "several", few), subject(&project, "several", many)),
        ("Ada 1".into(), "Ada 99".into())
    );
    assert_eq!(few.made_up, ["user", "news"]);
}

#[test]
fn the_project_has_a_user_for_all() {
    let project = Project::new("shop").sample_user(ada());
    let samples = samples(&project);
    let sample = &samples.emails["made-up"][0];
    assert_eq!(
        (subject(&project, "made-up", sample).as_str(), &sample.made_up[..]),
        ("Ada B. A-1042", &["purchase".to_string()][..])
    );
    let without = Project::new("shop");
    let sample = &self::samples(&without).emails["made-up"][0];
    assert_eq!(subject(&without, "made-up", sample), "Ada A-1042");
}

#[test]
fn what_cannot_be_made_up_says_what_to_do() {
    let samples = samples(&Project::new("shop"));
    let problem = samples.emails["impossible"][0].problem.as_deref().expect("a problem");
    assert!(problem.contains("`kind`") && problem.contains("sample(kind = …)"), "{problem}");
}

#[test]
fn a_name_that_is_not_there_is_said_with_its_line() {
    let project = Project::new("shop");
    let sample = &samples(&project).emails["misspelt"][0];
    let (user, args) = (Json(sample.user.to_string()), Json("{}".into()));
    let answer = respond(&project, Request::Render(Render { template: "misspelt".into(), user, args }));
    let why = "template `misspelt`: tests/emails/misspelt.html:4: a value that is not there is used: `person.name`";
    assert_eq!(answer, Response::Refused(why.into()));
}
