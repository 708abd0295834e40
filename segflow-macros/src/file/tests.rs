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
        "<b style=\"font-size: 30px\" class=\"big\">New</b>: {{ item.name}}",
        "{% endif%}",
        "src=\"{{ (item.picture)|__image}}\"",
        "alt=\"{{ item.name}}\"",
        "href=\"https://x.example/{{ item.id}}\"",
        "href=\"{{ (item.link)|__link}}\"",
        ">Buy {{ item.name}}</a>",
        "{% else%}",
        "{% endfor%}",
        // What depends on something stays in the head.
        ".big:hover { color: red !important }",
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

/// The HTML of a file, on one line.
fn html(inside: &str) -> String {
    tidy(&ready(&format!("subject: Hi\n---\n{inside}")).html)
}

#[test]
fn sheets_are_written_into_the_elements_and_everything_else_stays() {
    for (file, expected) in [
        (
            "<style>p { color: {{ user.color }}; margin: 0 }</style><P>x</P>",
            "<P style=\"color: {{ user.color}}; margin: 0\">x</P>",
        ),
        // Weight, then order, then what is inline, then what is important.
        (
            "<style>p { color: red; top: 1px !important } .a { color: blue; left: 0 } p { color: green }</style><p class=a style='top:2px;left:1px'>",
            "<p class=a style=\"color: blue; top:2px;left:1px; top: 1px\">",
        ),
        // What depends on something stays, and still beats what is inline.
        (
            "<style>a, a:hover { color: red } @media (max-width: 9px) { a { color: blue } } @font-face { a: b }</style><a>",
            "<style>a:hover { color: red !important } @media (max-width: 9px) { a { color: blue !important } } @font-face { a: b }</style>\
             <a style=\"color: red\">",
        ),
        // What is decided when it is sent keeps the rules of its classes.
        (
            "<style>.a { color: red } b { top: 0 }</style><b class=\"{% if user %}a{% endif %}\"></b><b {% if user.x %}class=a{% endif %}>",
            "<style>.a { color: red }</style><b style=\"top: 0\" class=\"{% if user%}a{% endif%}\"></b>\
             <b style=\"top: 0\" {% if user.x%} class=a{% endif%} >",
        ),
        // Outlook reads widths from attributes; a quote inside is another one.
        (
            "<style>table { width: 50% } td { font: \"A\" }</style><table><td>",
            "<table width=\"50%\" style=\"width: 50%\"><td style=\"font: 'A'\">",
        ),
        (
            "<style>tr > td { a: b } td td { c: d }</style><table><tr><td>1<td>2</table>",
            "<style>td td { c: d }</style><table><tr><td style=\"a: b\">1<td style=\"a: b\">2</table>",
        ),
        // Nothing to do.
        (
            "<p>{{ user.a }} & <b>x</p><style media=print>p { a: b }</style>",
            "<p>{{ user.a}} & <b>x</p><style media=print>p { a: b }</style>",
        ),
    ] {
        assert_eq!(html(file), expected, "{file}");
    }
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
        wrong(
            "<mjml>\n<mj-body><mj-title>x</mj-title>\n  <mj-buton href=\"https://x\">Hi</mj-buton>\n</mj-body></mjml>"
        ),
        "emails/x.mjml:3:4: there is no `<mj-buton>`; did you mean `<mj-button>`?\n  |\n3 |   <mj-buton href=\"https://x\">Hi</mj-buton>\n  |    ^^^^^^^^"
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
    assert!(
        first("subject: Hi\n---\n<style>\np { margin: 0</style>")
            .starts_with("emails/x.mjml:4:3: this brace has no other one")
    );
    let link = first("subject: Hi\n---\n<p>\n<link rel=stylesheet href=a.css>");
    assert!(link.starts_with("emails/x.mjml:4:1: a mail has one file"), "{link}");
    let sheet = body("</mj-body><mj-head><mj-style>a { color: var(--x) }</mj-style></mj-head><mj-body>");
    assert!(first(&sheet).starts_with("emails/x.mjml:5:41: mail clients know no variables"), "{}", first(&sheet));
}

#[test]
fn what_begins_an_address_is_looked_at_on_every_way() {
    let link = "\n(user)|__link";
    for (file, expected) in [
        ("<a href=\"{# x #}{{ user }}\">", format!("<a href=\"{{{{{link}}}}}\">")),
        ("<a href='\n {{ user }}'>", format!("<a href='\n {{{{{link}}}}}'>")),
        ("<a HREF = \"{{ user }}{{ items }}\">", format!("<a HREF = \"{{{{{link}}}}}{{{{\nitems}}}}\">")),
        ("<a href=\"https://{{ user }}\">", "<a href=\"https://{{\nuser}}\">".to_string()),
        (
            "<a href=\"{% if user %}{{ user }}{% elif items %}https://x{% else %}{{ user }}{% endif %}/{{ items }}\">",
            format!(
                "<a href=\"{{%\nif user%}}{{{{{link}}}}}{{%\nelif items%}}https://x{{%\nelse%}}{{{{{link}}}}}{{%\nendif%}}/{{{{\nitems}}}}\">"
            ),
        ),
        (
            "<!--[if mso]><v:rect href=\"{{ user }}\"><![endif]-->",
            format!("<!--[if mso]><v:rect href=\"{{{{{link}}}}}\"><![endif]-->"),
        ),
    ] {
        assert_eq!(ready(&format!("subject: Hi\n---\n{file}")).html, expected, "{file}");
    }
    let navbar = "<mjml><mj-head><mj-title>x</mj-title></mj-head><mj-body><mj-section><mj-column><mj-navbar base-url=\"{{ user }}\">\
        <mj-navbar-link href=\"/a\">A</mj-navbar-link></mj-navbar></mj-column></mj-section></mj-body></mjml>";
    assert!(ready(navbar).html.contains("href=\"{{\n(user)|__link}}/a\""), "{}", ready(navbar).html);
    let defaults = "<mjml><mj-head><mj-title>x</mj-title><mj-attributes><mj-button href=\"{{ user }}\"/></mj-attributes></mj-head>\
        <mj-body><mj-section><mj-column><mj-button>A</mj-button></mj-column></mj-section></mj-body></mjml>";
    assert!(ready(defaults).html.contains("href=\"{{\n(user)|__link}}\""), "{}", ready(defaults).html);
}

#[test]
fn what_could_get_out_of_its_place_does_not_compile() {
    for (file, what) in [
        ("<a href=\"javascript:alert(1)\">", "`javascript:alert(1)` cannot be sent: an address begins with https:"),
        ("<a href=' JavaScript:{{ user }}'>", "`JavaScript:` cannot be sent"),
        ("<a href=javascript:x>", "`javascript:x` cannot be sent"),
        (
            "<img src=\"data:text/html,x\">",
            "`data:text/html,x` cannot be sent: an address begins with https:, http:, cid:",
        ),
        ("<a href=\"ht{{ user }}\">", "`ht` leads nowhere in a mail"),
        ("<a href=\"/orders\">", "`/orders` leads nowhere in a mail"),
        ("<a href=\"segflow:unsubscribed\">", "did you mean `segflow:unsubscribe`?"),
        ("<!--[if mso]><v:rect href=\"vbscript:x\"><![endif]-->", "`vbscript:x` cannot be sent"),
        (
            "<a href=\"{% if user %}{{ user }}{% endif %}{{ items }}\">",
            "it is not certain with what this address begins",
        ),
        ("<a href=\"{% for i in items %}{{ i }}{% endfor %}/x\">", "it is not certain with what this address begins"),
        ("<a href=\"{% raw %}java{% endraw %}script:x\">", "it is not certain with what this address begins"),
        ("<a hr{# #}ef=\"{{ user }}\">", "what begins and ends tags"),
        ("<a href{% if user %}{% endif %}=\"{{ user }}\">", "this `=` has no name before it"),
        ("<a hr{% if user -%}ef=\"{{ user }}\"{% endif %}>", "leave out the `-`"),
        ("<!-- -{# #}-><a href=\"{{ user }}\"> -->", "what begins and ends tags"),
        ("<!-- {{ user }}><a href=\"{{ user }}\"> -->", "what begins and ends tags"),
        ("<title>x</tit{# #}le>", "what begins and ends tags"),
        ("{% raw %}<a href=\"{% endraw %}{{ user }}\">", "in `{% raw %}` stand words"),
        ("<a title=\"{% raw %}\" href=\"{% endraw %}{{ user }}\">", "in `{% raw %}` stand words"),
        ("<a href=\"{% set x %}https:{% endset %}{{ user }}\">", "an address begins with `https:` and so on"),
        ("<a title={{ user }} href=https://x>", "put the value into quotes"),
        ("<a title=x{{ user }}>", "put the value into quotes"),
        ("<a title={% if user %}x{% endif %}>", "put the value into quotes"),
        ("<a {{ user }}>", "a value between attributes"),
        ("<h{{ user }}>", "a value between attributes"),
        ("<{{ user }}>", "what begins and ends tags"),
        ("< {{- user }}>", "what begins and ends tags"),
        ("<{% if user %}a{% endif %} href=\"{{ user }}\">", "what begins and ends tags"),
        ("{% if user %}<!--{% endif %}<a href=\"{{ user }}\">-->", "this stands in another place than its beginning"),
        ("<a {% if user %}title=\"{% else %}href=\"{% endif %}{{ user }}\">", "this stands in another place"),
        ("<a title=\"{% if user %}x\"{% else %}\" href=\"{% endif %}{{ user }}\">", "this stands in another place"),
    ] {
        let said = wrong(&format!("subject: Hi\n---\n{file}"));
        assert!(said.lines().next().unwrap_or_default().contains(what), "{file}\n{said}");
    }
}
