//! Every component as HTML and as text, held against files. After a change that is meant: `UPDATE=1 cargo test -p segflow-sdk --test components`.

use std::path::Path;

use segflow::prelude::*;
use segflow::testing::Run;

#[derive(Attributes, Serialize, Deserialize)]
struct Reader {
    email: String,
    name: String,
    link: String,
}

#[component]
fn price_line(
    name: &str,
    cents: u32,
    #[default(1)] count: u32,
    note: Option<&str>,
    strong: bool,
    class: Class,
) -> Html {
    html! {
        <Row>
            <Column class={class}>
                {count} " × " if strong { <strong>{name}</strong> } else { {name} }
                if let Some(note) = note { " (" {note} ")" }
            </Column>
            <Column class="w-20 text-right">"$" {cents / 100} "." {format_args!("{:02}", cents % 100)}</Column>
        </Row>
    }
}

/// Shown once, in place: written into the email itself.
#[component]
fn once(title: &str, children: Children) -> Html {
    let title = title.to_uppercase();
    html! { <Section class="dark:bg-black"><Text>{title} ": "</Text>{children}</Section> }
}

#[component]
fn twice(children: Children) -> Html {
    html! { {&children} "|" {children} }
}

#[component]
fn perhaps(shown: bool, mut children: Children) -> Html {
    if children.is_empty() {
        children = html! { "none" };
    }
    html! { if shown { {children} } }
}

#[component]
fn early(children: Children) -> Html {
    if children.is_empty() {
        return html! { "nothing" };
    }
    html! { {children} }
}

#[component]
fn passed_on(children: Children) -> Html {
    html! { <Once title="passed" children={children}/> }
}

#[test]
fn children_are_the_same_wherever_they_are_shown() {
    let (words, name) = (vec!["a", "b", "c"], "Ada".to_string());
    let shown = |part: Html| {
        let mut text = String::new();
        segflow::Show::html(&part, &mut text);
        let (mut at, mut out) = (0, String::new());
        // Without tags.
        while let Some(tag) = text[at..].find('<') {
            out += &text[at..at + tag];
            at += tag + text[at + tag..].find('>').map_or(0, |end| end + 1);
        }
        out + &text[at..]
    };
    assert_eq!(shown(html! { <Once title="x">"1" {&name} "2"</Once> }), "X: 1Ada2");
    assert_eq!(shown(html! { <Once title="x"/> }), "X: ");
    assert_eq!(shown(html! { <Once title="x" children={html! { "y" }}/> }), "X: y");
    assert_eq!(shown(html! { "0" <Once title="x"><Once title="y">"1"</Once> "2"</Once> "3" }), "0X: Y: 123");
    assert_eq!(shown(html! { <Twice>"1"</Twice> }), "1|1");
    assert_eq!(shown(html! { <Perhaps shown>"1"</Perhaps> <Perhaps>"2"</Perhaps> <Perhaps shown/> }), "1none");
    assert_eq!(shown(html! { <Early>"1"</Early> <Early/> }), "1nothing");
    assert_eq!(shown(html! { <PassedOn>"1"</PassedOn> }), "PASSED: 1");
    assert_eq!(shown(once("called", html! { "1" })), "CALLED: 1");
    // What leaves the children leaves the loop around.
    assert_eq!(
        shown(html! { for word in words { <Once title="x">{if word == "b" { break } else { word }}</Once> } }),
        "X: a"
    );
    // And what is moved into them is gone.
    assert_eq!(shown(html! { <Once title="x">{name}</Once> }), "X: Ada");
}

#[email("container")]
fn container(_user: &Reader) -> Email {
    html! {
        <Subject>"container"</Subject>
        <Container><Text>"In the middle, 600 px at most."</Text></Container>
        <Container class="max-w-[465px] p-5 bg-white rounded text-center"><Text>"Narrower."</Text></Container>
    }
}

#[email("section")]
fn section(_user: &Reader) -> Email {
    html! {
        <Subject>"section"</Subject>
        <Section class="bg-gray-100 px-4 py-2 dark:bg-black"><Text class="m-0">"A block."</Text></Section>
        <Section class="w-1/2 mx-auto">"Half of it."</Section>
        <Section html_only>"Not in the text."</Section>
    }
}

#[email("row")]
fn row(_user: &Reader) -> Email {
    html! {
        <Subject>"row"</Subject>
        <Row class="bg-white">
            <Column class="w-1/3 align-middle">"Left"</Column>
            <Column width=200><Text>"Right"</Text></Column>
        </Row>
        for (name, price) in [("Mug", 12), ("Plate", 30)] {
            <Row><Column>{name}</Column><Column class="text-right">"$" {price}</Column></Row>
        }
    }
}

#[email("text")]
fn text(user: &Reader) -> Email {
    html! {
        <Subject>"text"</Subject>
        <Heading>"A heading"</Heading>
        <Heading level=3 class="text-center">"A smaller one"</Heading>
        <Text class="text-sm text-slate-600">"Words with " <strong>"weight"</strong> ", " <em>"stress"</em> " & <signs>." <br/> "A second line."</Text>
        <Hr/>
        <Text>"Hello " {&user.name} "."</Text>
    }
}

#[email("button")]
fn button(user: &Reader) -> Email {
    html! {
        <Subject>"button"</Subject>
        <Button href="https://shop.example/orders?a=1&b=2" class="bg-black text-white rounded px-5 py-3 hover:bg-gray-800">"See your order"</Button>
        <Button href={&user.link} class="w-full bg-blue-600 text-white p-4">"The whole width"</Button>
    }
}

#[email("link")]
fn link(user: &Reader) -> Email {
    html! {
        <Subject>"link"</Subject>
        <Text>"See " <Link href="https://shop.example">"the shop"</Link> ", " <Link href={&user.link} class="text-red-600 no-underline">"yours"</Link>
            ", " <Link href="https://x.example">"https://x.example"</Link> " or " <Link href="mailto:hi@shop.example">"write"</Link> "."</Text>
        <Text><Unsubscribe>"Unsubscribe"</Unsubscribe> " · " <Preferences>"Preferences"</Preferences> " · " <OpenInBrowser>"Open in browser"</OpenInBrowser></Text>
    }
}

#[email("img")]
fn img(user: &Reader) -> Email {
    html! {
        <Subject>"img"</Subject>
        <Img src="https://shop.example/mug.png" alt="A blue mug" width=320 class="rounded-lg"/>
        <Img src={format!("{}/a.png", user.link)} alt={&user.name} width="100%" height={20 + 20}/>
        <Img src="cid:logo" alt="" class="w-16"/>
    }
}

#[email("list")]
fn list(_user: &Reader) -> Email {
    html! {
        <Subject>"list"</Subject>
        <ul><li>"One"</li><li>"Two, with " <Link href="https://shop.example">"a link"</Link></li></ul>
        <ol class="pl-8">for step in ["First", "Then"] { <li>{step}</li> }</ol>
    }
}

#[email("markdown")]
fn markdown(_user: &Reader) -> Email {
    html! {
        <Subject>"markdown"</Subject>
        <Markdown>"# Hello\n\nSome *words* and **more**, a [link](https://shop.example) & <b>tags</b>.\n\n- one\n- two\n\n1. first\n\n   more of it\n2. then\n\n> said\n\n```\nlet x = 1;\n  let y = 2;\n```\n\n---\n\n`code`"</Markdown>
    }
}

#[email("markdown_table")]
fn markdown_table(_user: &Reader) -> Email {
    html! {
        <Subject>"markdown_table"</Subject>
        <Markdown class="text-sm text-gray-600" links="no-underline hover:underline text-red-600">"Small words, [a link](https://shop.example).\n\n| Thing | Price |\n|:--|--:|\n| Mug & *plate* | $12 |\n| Cup | $3 |\n\nAnd after."</Markdown>
    }
}

#[email("words")]
fn words(_user: &Reader) -> Email {
    html! {
        <Subject>"words"</Subject>
        <Text>
            <b>"b"</b> " " <i>"i"</i> " " <u>"u"</u> " " <s>"s"</s> " " <small>"small"</small> " " <sub>"sub"</sub> " " <sup>"sup"</sup> " "
            <code class="text-red-600">"let x = 1;"</code> " " <span class="font-bold">"span"</span>
        </Text>
        <Heading level=2>"Two"</Heading>
        <Heading level=4>"Four"</Heading>
        <Heading level=5>"Five"</Heading>
        <Heading level=6>"Six"</Heading>
    }
}

/// A part that is a cell, and one that is an item: they stand where those stand.
#[component]
fn price_cell(cents: u32, class: Class) -> Html {
    html! { <Column class={class}>"$" {cents / 100}</Column> }
}

#[component]
fn steps(done: bool) -> Html {
    html! { <li>"Order"</li> if done { <li>"Enjoy"</li> } }
}

#[email("cells")]
fn cells(_user: &Reader) -> Email {
    html! {
        <Subject>"cells"</Subject>
        <Row><Column>"Mug"</Column><PriceCell cents=1200 class="w-20 text-right"/></Row>
        <ol><Steps done/></ol>
    }
}

#[email("hidden")]
fn hidden(_user: &Reader) -> Email {
    html! {
        <Subject>"hidden"</Subject>
        <Container class="hidden bg-white sm:block"><Text>"From 640 px on."</Text></Container>
        <Section class="border border-gray-200 p-4 max-sm:hidden">"Not on a phone."</Section>
        <Row class="hidden sm:block"><Column>"A row."</Column></Row>
        <Button href="https://shop.example" class="hidden bg-black px-5 py-3 text-white sm:inline-block">"Shop"</Button>
    }
}

#[email("code_block")]
fn code_block(_user: &Reader) -> Email {
    html! {
        <Subject>"code_block"</Subject>
        <CodeBlock>"fn main() {\n    println!(\"<hello>\");\n}\n"</CodeBlock>
    }
}

#[email("raw")]
fn raw(_user: &Reader) -> Email {
    html! {
        <Subject>"raw"</Subject>
        <Raw html="<p>As <b>it</b> is</p>" text="As it is"/>
    }
}

#[email("body")]
fn body(user: &Reader) -> Email {
    html! {
        <Subject>"body"</Subject>
        <Font name="Literata" src="https://fonts.shop.example/literata.woff2" weight=600 fallback="Georgia"/>
        <Preview>"What the list of mails shows, " {&user.name}</Preview>
        <Body lang="de" class="bg-slate-100 font-serif py-8 dark:bg-black dark:text-white"><Text>"Guten Tag."</Text></Body>
    }
}

#[email("component")]
fn component(user: &Reader) -> Email {
    html! {
        <Subject>"component"</Subject>
        <PriceLine name="Mug" cents=1250/>
        <PriceLine name="Plate" cents=9905 count=12 note="blue" strong class="font-bold"/>
        <PriceLine name={&user.name} cents={100} note={None} class={tw!("italic")}/>
    }
}

#[email("chosen")]
fn chosen(user: &Reader) -> Email {
    html! {
        <Subject>"chosen"</Subject>
        for vip in [true, false] {
            <Section class={if vip { tw!("bg-black text-white p-4 text-center") } else { tw!("bg-gray-100 p-4 sm:p-8") }}>
                <Text class={tw!("m-0")}>if vip { "Free shipping" } else if user.name.is_empty() { "?" } else { "Shipping" }</Text>
            </Section>
        }
        <Button href="https://shop.example" class={tw!("bg-black text-white px-5 py-3")}>"Shop"</Button>
        match user.name.len() {
            0 => "nobody",
            n if n > 100 => { <Text>"long"</Text> }
            _ => { <Text>"short: " {&user.name}</Text> }
        }
        {if user.name == "nobody" { <Text>"braces around"</Text> }}
    }
}

const NAMES: [&str; 18] = [
    "container",
    "section",
    "row",
    "text",
    "button",
    "link",
    "img",
    "list",
    "markdown",
    "markdown_table",
    "words",
    "cells",
    "hidden",
    "code_block",
    "raw",
    "body",
    "component",
    "chosen",
];

async fn all(flow: Flow<Reader>) {
    let all = [
        container(),
        section(),
        row(),
        text(),
        button(),
        link(),
        img(),
        list(),
        markdown(),
        markdown_table(),
        words(),
        cells(),
        hidden(),
        code_block(),
        raw(),
        body(),
        component(),
        chosen(),
    ];
    for message in all {
        flow.send(message).await;
    }
}

fn project() -> Project<Reader> {
    let everyone = Segment::everyone("everyone");
    Project::new("components").campaign(Campaign::new("all", all).enters(everyone)).provider(Capture)
}

/// Without what is the same around every email, which one shows for all.
fn content<'a>(name: &str, html: &'a str) -> &'a str {
    html.find("<body").filter(|_| name != "body").map_or(html, |body| &html[body..])
}

fn styles(html: &str) -> &str {
    html.rsplit_once("mso-table-rspace:0}").and_then(|(_, rest)| rest.split_once("</style>")).map_or("", |(css, _)| css)
}

#[test]
fn every_component_is_as_it_was() {
    let ada =
        Reader { email: "ada@shop.example".into(), name: "<Ada>".into(), link: "https://ada.example/?a&b".into() };
    let run = Run::new(project()).user("ada", ada);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let mut changed = vec![];
    for name in NAMES {
        let mail = &run.sent(name)[0];
        // One tag a line: a difference is easier to see.
        let lines =
            content(name, &mail.html).replace("><", ">\n<").replace('\u{2007}', "").replace("\u{34f}\u{200c}", "");
        let found = format!("<style>{}</style>\n{lines}\n\n=== text\n{}", styles(&mail.html), mail.text);
        let path = folder.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &found).expect("the folder is there");
        } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
            changed.push(format!("{name} is now:\n{found}"));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n\n"));
    let files = std::fs::read_dir(&folder).expect("the folder is there").count();
    assert_eq!(files, NAMES.len(), "a snapshot belongs to no email");
}
