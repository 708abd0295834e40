//! No value can open a tag, an attribute or a scheme, whatever is in it.

use segflow::Show;
use segflow::prelude::*;
use segflow_protocol::{Json, Render, Rendered, Request, Response};

/// What breaks out of something somewhere.
const PIECES: [&str; 40] = [
    "<",
    ">",
    "\"",
    "'",
    "&",
    "=",
    "/",
    " ",
    "\n",
    "\t",
    "\r",
    "\0",
    "\u{1}",
    "\u{4}",
    "\u{5}",
    "\u{b}",
    "\u{7f}",
    "`",
    "<script>",
    "</a>",
    "</td>",
    "-->",
    "<!--",
    "<![endif]-->",
    "]]>",
    "\" onclick=\"x",
    "' onclick='x",
    "javascript:",
    "JaVaScRiPt:",
    "java\tscript:",
    "\u{1}javascript:",
    "data:text/html,",
    "vbscript:",
    "&quot;",
    "&#34;",
    "&lt;",
    "https://",
    "é",
    "\u{2028}",
    "a",
];

/// Small and the same every time: xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn value(&mut self) -> String {
        (0..=self.roll(8)).map(|_| PIECES[self.roll(PIECES.len())]).collect()
    }
}

#[component]
fn field(label: &str, to: String) -> Html {
    html! { <Text><strong>{label}</strong> <Link href={to}>{label}</Link></Text> }
}

fn written(value: &str) -> String {
    let part = html! {
        <Section class="p-4">
            <Text>"Hello " {value} "!"</Text>
            <Button href={value}>{value}</Button>
            <Link href={format!("https://shop.example/{value}")}>"shop"</Link>
            <Img src={value} alt={value}/>
            <Img src={format!("https://shop.example/{value}")} alt="" width=10/>
            <Field label={value} to={value}/>
            <CodeBlock>{value}</CodeBlock>
            <Container class="max-w-md"><Heading level=2>{value}</Heading></Container>
            <ul><li>{value}</li></ul>
            <ol><li><Text>{value}</Text></li></ol>
            <Row><Column class="w-20">{value}</Column><Column>{value}</Column></Row>
        </Section>
    };
    let mut out = String::new();
    Show::html(&part, &mut out);
    out
}

/// Tags with the names of their attributes, and the values of those that are addresses, read as a browser reads them.
fn skeleton(html: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut addresses) = (vec![], vec![]);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(rest.len());
        let mut tag = rest[..end].to_string();
        rest = &rest[end..];
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with('>') {
                break;
            }
            let name = &rest[..rest.find(['=', ' ', '>']).unwrap_or(rest.len())];
            assert!(!name.is_empty(), "an attribute without a name: {html}");
            tag.push_str(&format!(" {name}"));
            rest = &rest[name.len()..];
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let (value, after) = quoted.split_once('"').expect("an attribute ends");
                if name == "href" || name == "src" {
                    addresses.push(value.to_string());
                }
                rest = after;
            }
        }
        tags.push(tag);
    }
    (tags, addresses)
}

#[test]
fn no_value_opens_a_tag_an_attribute_or_a_scheme() {
    // Code has a tag for each line break.
    let without_lines = |mut tags: Vec<String>| {
        tags.retain(|tag| tag != "br");
        tags
    };
    let (expected, _) = skeleton(&written("plain"));
    let expected = without_lines(expected);
    let mut dice = Dice(0x5eed_5eed_5eed_5eed);
    for _ in 0..20_000 {
        let value = dice.value();
        let html = written(&value);
        let (tags, addresses) = skeleton(&html);
        assert_eq!(without_lines(tags), expected, "{value:?}\n{html}");
        for address in addresses {
            let safe = address.is_empty() || address.starts_with("https://");
            assert!(safe, "{value:?} made the address {address:?}");
        }
        assert!(!html.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{value:?}");
    }
}

#[email("whole")]
fn whole(user: &Named) -> Email {
    let name = &user.name;
    html! {
        <Subject>"For " {name}</Subject>
        <Preview>{name} " in a list"</Preview>
        <Container>
            <Heading>"Of " {name}</Heading>
            <Text>"Before " {name} " after, " <Link href="https://shop.example">"to " {name} "!"</Link></Text>
            <ul><li>"one " {name} "."</li><li>"two"</li></ul>
            <ol><li>"first " {name} "."</li></ol>
            <Row><Column>"left " {name}</Column><Column>"right"</Column></Row>
            <Hr/>
            <CodeBlock>"code " {name} "."</CodeBlock>
        </Container>
    }
}

#[test]
fn no_value_opens_anything_around_an_email_or_makes_a_mark_in_its_text() {
    const WORD: &str = "XYZZY";
    let rendered = |value: &str| rendered("whole", value, None).expect("it renders");
    let plain = rendered(WORD);
    let head = |html: &str| skeleton(html.split_once("<title>").expect("it has one").1).0;
    let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
    let mut dice = Dice(13);
    for _ in 0..3_000 {
        let value = dice.value();
        let Rendered { subject, html, text } = rendered(&value);
        let without_lines = |html: &str| head(html).into_iter().filter(|tag| tag != "br").collect::<Vec<_>>();
        assert_eq!(without_lines(&html), without_lines(&plain.html), "{value:?}\n{html}");
        assert!(!subject.contains(char::is_control), "{value:?}: {subject:?}");
        // The words of the value stand where the word stood, and nothing else has moved.
        let shown: String = value.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        assert_eq!(words(&text), words(&plain.text.replace(WORD, &shown)), "{value:?}\n{text}");
    }
}

#[derive(Attributes, Serialize, Deserialize)]
struct Named {
    email: String,
    name: String,
}

#[email("from-a-file")]
fn from_a_file(user: &Named, names: &[String], link: Option<String>) -> Email {
    template!("tests/emails/hostile.mjml", user, names, link)
}

#[email("from-html")]
fn from_html(user: &Named, names: &[String], link: Option<String>) -> Email {
    template!("tests/emails/hostile.html", user, names, link)
}

async fn nothing(_: Flow<Named>) {}

fn rendered(template: &str, value: &str, link: Option<&str>) -> Result<Rendered, String> {
    let project = Project::new("p").campaign(Campaign::new("c", nothing).enters(Segment::everyone("all")));
    let user = Named { email: "a@b.example".into(), name: value.into() };
    let render = Render {
        template: template.into(),
        user: Json::of(&user).expect("JSON"),
        args: Json::of(&serde_json::json!({ "names": [value, "b"], "link": link })).expect("JSON"),
    };
    match segflow::dispatch::respond(&project, Request::Render(render)) {
        Response::Rendered(rendered) => Ok(rendered),
        Response::Refused(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_value_opens_anything_in_a_file() {
    for template in ["from-a-file", "from-html"] {
        let rendered = |value: &str, link: Option<&str>| rendered(template, value, link);
        let expected = skeleton(&body(&rendered("plain", None).expect("it renders").html)).0;
        let mut dice = Dice(11);
        for _ in 0..3_000 {
            let value = dice.value();
            let Rendered { subject, html, text } = rendered(&value, None).expect("it renders");
            let (tags, addresses) = skeleton(&body(&html));
            assert_eq!(tags, expected, "{value:?}\n{html}");
            let safe =
                |address: &String| address.trim().is_empty() || address.trim().starts_with("https://shop.example/");
            assert!(addresses.iter().all(safe), "{value:?}: {addresses:?}");
            let control = |text: &str| text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
            assert!(!control(&html) && !control(&text) && !subject.contains(char::is_control), "{value:?}");
        }
        for hostile in ["javascript:alert(1)", " JavaScript:x", "", "//x.example", "data:text/html,x"] {
            let why = rendered("a", Some(hostile)).expect_err(hostile);
            assert!(why.contains(&format!("the address `{}` does not begin with https:", hostile.trim())), "{why}");
        }
        let good = rendered("a", Some("https://a.example")).expect("it renders").html;
        assert!(good.contains("href=\"https://a.example\""), "{good}");
    }
    let why = rendered("from-a-file", "a", Some("javascript:alert(1)")).expect_err("it is not sent");
    assert!(why.contains("hostile.mjml:19: the address `javascript:alert(1)` does not begin with https:"), "{why}");
}

/// Without what Outlook alone reads, which is in comments.
fn body(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html.split_once("<body").map_or("", |(_, body)| body);
    while let Some((before, comment)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn markdown_opens_nothing_that_it_does_not_mean() {
    let mut dice = Dice(7);
    for _ in 0..5_000 {
        let link = format!("[{}](<https://a.example/ onclick=x {}>)", dice.value(), dice.value());
        let value =
            format!("{} [x]({}) ![{}{link}]({}) {link}", dice.value(), dice.value(), dice.value(), dice.value());
        let part = html! { <Markdown>{&value}</Markdown> };
        let mut out = String::new();
        Show::html(&part, &mut out);
        let (tags, addresses) = skeleton(&out);
        for tag in &tags {
            let names: Vec<&str> = tag.split(' ').collect();
            assert!(
                !names[0].contains("script") && !names.iter().any(|name| name.starts_with("on")),
                "{value:?}\n{out}"
            );
        }
        assert!(addresses.iter().all(|a| a.is_empty() || a.starts_with("https://")), "{value:?}\n{out}");
    }
}

#[test]
fn an_address_that_is_not_sent_refuses_the_message() {
    #[derive(Attributes, Serialize, Deserialize)]
    struct Reader {
        email: String,
        site: String,
    }
    #[email("bad")]
    fn bad(user: &Reader) -> Email {
        html! { <Subject>"x"</Subject> <Link href={&user.site}>"Your page"</Link> }
    }
    async fn send(flow: Flow<Reader>) {
        flow.send(bad()).await;
    }
    let project =
        Project::new("p").campaign(Campaign::new("c", send).enters(Segment::everyone("all"))).provider(Capture);
    let reader = |site: &str| Reader { email: "a@b.example".into(), site: site.into() };
    let run = segflow::testing::Run::new(project)
        .user("a", reader("javascript:alert(1)"))
        .user("b", reader(" HTTPS://b.example "));
    assert_eq!(run.sent("bad").len(), 1);
    assert!(run.sent("bad")[0].html.contains("href=\"HTTPS://b.example\""));
    let why = &run.refused("bad")[0].reason;
    assert!(why.contains("`javascript:alert(1)` does not begin with https:"), "{why}");
}
