use super::*;
use crate::email::TemplateFile;

fn field(name: &str, ty: Type) -> Field {
    Field { name: name.into(), ty, required: true, default: None }
}

fn shopper() -> Vec<(&'static str, Shape)> {
    let fields =
        vec![field("username", Type::String), field("home", Type::Any), field("tags", Type::List(Type::Any.into()))];
    vec![("user", Shape::Fields("Shopper", fields)), ("percent", Shape::Scalar), ("extra", Shape::Any)]
}

fn found(source: &'static str) -> Vec<(String, String)> {
    let file = TemplateFile { path: "emails/x.html", source };
    let template = TemplateUse { file, variables: shopper, check: problems };
    let mut problems = vec![];
    Check { email: "x", template: &template, problems: &mut problems }.all();
    problems.into_iter().map(|p| (p.message, p.place.expect("every one has a place"))).collect()
}

fn only(source: &'static str) -> (String, String) {
    let mut found = found(source);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_good_template_has_no_problems() {
    let source = "subject: {{ user.username|trim }}\n---\n{# {{ no }} #}{% for t in user.tags %}{{ loop.index }}{{ t.x }}{% endfor %}\
        {% set a = 1 %}{{ a }} {{ user.home.street }} {{ extra.what.ever }} {{ \"a | b\" }}\
        {% if percent is not none and user.username is defined %}{ }{% endif %}\n--- text\n{{ percent }}";
    assert_eq!(found(source), []);
}

#[test]
fn an_unknown_attribute_is_found_with_its_place_and_the_likely_one() {
    let (message, place) = only("subject: Hi\n---\n<p>\n  Hi {{ user.usrname }}</p>");
    assert_eq!(
        message,
        "template `x` uses `user.usrname`, but Shopper has no such attribute; did you mean `username`?"
    );
    assert_eq!(place, "emails/x.html:4:9");
    let (message, place) = only("subject: Hi {{ user.nickname }}\n---\n");
    assert!(message.ends_with("Shopper has no such attribute; did you mean `username`?"), "{message}");
    assert_eq!(place, "emails/x.html:1:16");
}

#[test]
fn an_unknown_variable_is_found_with_those_that_there_are() {
    let (message, place) = only("subject: Hi\n---\n--- text\n{{ shop }}");
    assert_eq!(
        message,
        "template `x` uses `shop`, but it is given no such variable; there are `user`, `percent`, `extra`"
    );
    assert_eq!(place, "emails/x.html:4:4");
}

#[test]
fn single_values_have_no_attributes() {
    let (message, _) = only("subject: Hi\n---\n{{ percent.x }}");
    assert_eq!(message, "template `x` uses `percent.x`, but `percent` is a single value and has no attributes");
    let (message, _) = only("subject: Hi\n---\n{{ user.username.first }}");
    assert!(message.ends_with("`user.username` is a single value and has no attributes"), "{message}");
}

#[test]
fn syntax_filters_and_tests_are_checked() {
    let (message, place) = only("subject: Hi\n---\n\n{% if user %}");
    assert!(message.contains("unexpected end of input"), "{message}");
    assert_eq!(place, "emails/x.html:4");
    let (message, place) = only("subject: Hi\n---\n{{ user.username | money }}");
    assert_eq!(
        (message.as_str(), place.as_str()),
        ("template `x` uses `money`, but there is no such filter", "emails/x.html:3:20")
    );
    let (message, _) = only("subject: Hi\n---\n{{ user.username is happy }}");
    assert_eq!(message, "template `x` uses `happy`, but there is no such test");
    let (message, _) = only("<p>Hi</p>");
    assert!(message.contains("`subject: …`"), "{message}");
}

#[test]
fn every_template_of_an_email_is_checked() {
    const fn template(source: &'static str) -> TemplateUse {
        TemplateUse { file: TemplateFile { path: "emails/x.html", source }, variables: shopper, check: problems }
    }
    const BROKEN: [TemplateUse; 2] = [template(""), template("subject: {{ b }}\n---\n")];
    let mut found = vec![];
    BROKEN.iter().for_each(|template| (template.check)("x", template, &mut found));
    let codes: Vec<String> = found.into_iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["template_syntax", "unknown_variable"]);
}
