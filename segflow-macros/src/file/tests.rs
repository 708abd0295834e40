//! Files as they come out, and what is said of those that do not.

use super::ready::Ready;

fn ready(source: &str) -> Ready {
    let given = ["user".to_string(), "items".to_string()];
    Ready::of(source, &given).unwrap_or_else(|mistakes| {
        panic!("{}", mistakes.iter().map(|mistake| mistake.show("x", source)).collect::<Vec<_>>().join("\n"))
    })
}

/// What somebody reads who made a mistake in `emails/x.mjml`.
fn wrong(source: &str) -> String {
    let given = ["user".to_string(), "items".to_string()];
    let mistakes = Ready::of(source, &given).expect_err(source);
    mistakes.iter().map(|mistake| mistake.show("emails/x.mjml", source)).collect::<Vec<_>>().join("\n\n")
}

/// One space where there are many, so that what counts can be read.
fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const MJML: &str = r##"<mjml>
  <mj-head>
    <mj-title>Hi {{ user.name }}</mj-title>
    <mj-preview>Before all, {{ user.name }}</mj-preview>
    <mj-attributes><mj-text color="#333333"/></mj-attributes>
    <mj-style>.big { font-size: 30px } .big:hover { color: red } @media (max-width: 480px) { .big { font-size: 20px !important } }</mj-style>
  </mj-head>
  <mj-body>
    {% for item in items %}
    <mj-section background-color="{{ item.ground }}">
      <mj-column>
        {% if item.new %}<mj-text css-class="a"><b class="big">New</b>: {{ item.name }}</mj-text>{% endif %}
        <mj-image src="{{ item.picture }}" alt="{{ item.name }}" href="https://x.example/{{ item.id }}"/>
        <mj-button href="{{ item.link }}">Buy {{ item.name }}</mj-button>
      </mj-column>
    </mj-section>
    {% else %}
    <mj-section><mj-column><mj-text>Nothing</mj-text></mj-column></mj-section>
    {% endfor %}
  </mj-body>
</mjml>
"##;

#[test]
fn mjml_becomes_html_around_what_is_decided_later() {
    let ready = ready(MJML);
    assert_eq!(ready.subject, "Hi {{ user.name }}");
    let html = tidy(&ready.html);
    for part in [
        "<title>Hi {{ user.name}}</title>",
        "Before all, {{ user.name}}",
        "{% for item in items%}",
        "background-color:{{ item.ground}}",
        "{% if item.new%}",
        "<b class=\"big\" style=\"font-size: 30px;\">New</b>: {{ item.name}}",
        "{% endif%}",
        "src=\"{{ (item.picture)|__image}}\"",
        "alt=\"{{ item.name}}\"",
        "href=\"https://x.example/{{ item.id}}\"",
        "href=\"{{ (item.link)|__link}}\"",
        ">Buy {{ item.name}}</a>",
        "{% else%}",
        "{% endfor%}",
        // What depends on something stays in the head.
        ".big:hover { color: red; }",
        "@media (max-width: 480px) { .big { font-size: 20px !important } }",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    assert!(!html.contains("mj-") || html.contains("mj-column-per-100"), "{html}");
    assert!(!html.contains("segflow:") && !html.contains("data-css-inline"), "{html}");
    let names: Vec<&str> = ready.uses.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(names, ["user.name", "items"]);
    assert_eq!(ready.uses[0], ("user.name".to_string(), 3, 21));
}

#[test]
fn the_text_of_mjml_has_no_debris() {
    let text = ready(MJML).text;
    let signs: String = text.chars().map(|c| if c < ' ' && c != '\n' { '|' } else { c }).collect();
    let text = tidy(&signs.replace('|', " "));
    let expected = "{% for item in items%} {% if item.new%} New: {{ item.name}} {% endif%} {{ item.name}} https://x.example/{{ item.id}} \
        Buy {{ item.name}} {{ (item.link) __link}} {% else%} Nothing {% endfor%}";
    assert_eq!(text, expected);
}

#[test]
fn sheets_are_inlined() {
    let source = "subject: Hi\n---\n<style>p { color: {{ user.color }}; margin: 0 } .a { width: 50% } p:hover { color: red } :root { --x: 1px }\
        table { padding: var(--x) }</style>\n<table class=a><tr>{% for item in items %}<td class=\"{% if item %}b{% endif %}\"><p>{{ item }}</p></td>{% endfor %}</tr></table>\n";
    let html = tidy(&ready(source).html);
    for part in [
        "<p style=\"color: {{ user.color}};margin: 0;\">{{ item}}</p>",
        "p:hover { color: red; }",
        "<table class=\"a\" width=\"50%\" style=\"padding: 1px;width: 50%;\">",
        "{% for item in items%}<td class=\"{% if item%}b{% endif%}\"><p",
        "</td>{% endfor%}</tr>",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    // Without a sheet there is nothing to do, and nothing is done.
    let plain = "subject: Hi\n---\n<p>{{ user.a }} & <b>x</p>\n";
    assert_eq!(ready(plain).html, "<p>{{\nuser.a}} & <b>x</p>\n");
}

#[test]
fn a_written_text_is_taken_as_it_is() {
    let ready = ready("subject: Hi\n---\n<p>x</p>\n--- text\nHello {{ user.name }}\n");
    assert_eq!((ready.text.as_str(), ready.written), ("Hello {{ user.name }}\n", true));
}

#[test]
fn lines_lead_back_to_the_file() {
    let ready = ready("subject: Hi\n---\n<p>\n{{ user.a }}\n\n{{ user.b }}</p>\n");
    assert_eq!(ready.lines, [(3, 4), (6, 6)]);
    assert_eq!(ready.html, "<p>\n{{\nuser.a}}\n\n{{\nuser.b}}</p>\n");
}

#[test]
fn mistakes_are_underlined() {
    assert_eq!(
        wrong("<mjml>\n<mj-body><mj-title>x</mj-title>\n  <mj-buton href=\"x\">Hi</mj-buton>\n</mj-body></mjml>"),
        "emails/x.mjml:3:4: there is no `<mj-buton>`; did you mean `<mj-button>`?\n  |\n3 |   <mj-buton href=\"x\">Hi</mj-buton>\n  |    ^^^^^^^^"
    );
    assert_eq!(
        wrong("subject: Hi {{ usr.name }}\n---\n<p>{{ user.name|upcase }}"),
        "emails/x.mjml:1:16: there is no variable `usr`; did you mean `user`?\n  |\n1 | subject: Hi {{ usr.name }}\n  |                ^^^^^^^^\n\n\
         emails/x.mjml:3:17: there is no filter `upcase`; there are `abs`, `capitalize`, `default`, `first`, `format`, `join`, `last`, `length`, \
         `lower`, `replace`, `round`, `safe`, `title`, `trim`, `upper`\n  |\n3 | <p>{{ user.name|upcase }}\n  |                 ^^^^^^"
    );
    let first = |source: &str| wrong(source).lines().next().map(str::to_string).unwrap_or_default();
    let body = |inside: &str| format!("subject: Hi\n---\n<mjml>\n  <mj-body>\n{inside}\n  </mj-body>\n</mjml>\n");
    assert_eq!(
        first(&body("<mj-section><mj-column></mj-section>")),
        "emails/x.mjml:5:26: `</mj-section>` stands where `<mj-column>` of line 5 is still open"
    );
    assert_eq!(
        first(&body("<mj-section colour=\"red\"></mj-section>")),
        "emails/x.mjml:5:13: `<mj-section>` has no attribute `colour`; did you mean `color`?"
    );
    assert!(first(&body("<mj-include path=\"x\"/>")).starts_with("emails/x.mjml:5:2: `<mj-include>` is not read"));
    assert!(
        first("subject: Hi\n---\n<mjml><mj-body>\n  <mj-section>")
            .starts_with("emails/x.mjml:4:4: `<mj-section>` is never ended")
    );
    assert!(
        first("subject: Hi\n---\n{% if user %}\n<p>").starts_with("emails/x.mjml:3:"),
        "{}",
        first("subject: Hi\n---\n{% if user %}\n<p>")
    );
    // What MJML computes with cannot be a value.
    let computed =
        first(&body("<mj-section><mj-column width=\"{{ user.width }}\"><mj-text>x</mj-text></mj-column></mj-section>"));
    assert!(computed.starts_with("emails/x.mjml:5:31: this is computed or dropped"), "{computed}");
    let between = first(&body("<mj-section {% if user.x %}padding=\"0\"{% endif %}></mj-section>"));
    assert!(between.contains("5:13: this is computed or dropped"), "{between}");
    let between = first("subject: Hi\n---\n<style>p { margin: 0 }</style>\n<p {% if user.x %}class=b{% endif %}>x</p>");
    assert!(between.starts_with("emails/x.mjml:4:4: a tag between attributes"), "{between}");
}
