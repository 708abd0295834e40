//! A project with fifty emails, as a company has them after some years.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::database;

/// The folder of the project, outside of any workspace, with so many emails in it.
pub fn write(emails: usize) -> Result<PathBuf> {
    let folder = database::scratch()?.join("fifty");
    fs::create_dir_all(folder.join("src"))?;
    let sdk = database::workspace().join("segflow-sdk");
    fs::write(folder.join("Cargo.toml"), MANIFEST.replace("SDK", &sdk.display().to_string()))?;
    // So that its dependencies are those of everything else here.
    fs::copy(database::workspace().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut library = LIBRARY.to_string();
    (0..emails).try_for_each(|n| writeln!(library, "mod email_{n};"))?;
    writeln!(library, "async fn all(flow: Flow<Person>) {{")?;
    (0..emails).try_for_each(|n| writeln!(library, "    flow.send(email_{n}::email({n}, vec![])).await;"))?;
    writeln!(library, "}}")?;
    fs::write(folder.join("src/lib.rs"), library)?;
    (0..emails).try_for_each(|n| email(&folder, n, "Good to have you here."))?;
    Ok(folder)
}

/// One email; what it says can be changed.
pub fn email(folder: &Path, number: usize, says: &str) -> Result<()> {
    let text = EMAIL.replace("NUMBER", &number.to_string()).replace("SAYS", says);
    Ok(fs::write(folder.join(format!("src/email_{number}.rs")), text)?)
}

const MANIFEST: &str = r#"[package]
name = "fifty"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib", "rlib"]

[dependencies]
segflow = { path = "SDK", package = "segflow-sdk" }
serde = { version = "1", features = ["derive"] }

[workspace]
"#;

const LIBRARY: &str = r#"use segflow::prelude::*;

#[derive(Attributes, Serialize, Deserialize)]
pub struct Person {
    pub name: String,
    pub email: String,
}

#[component]
pub fn letter(children: Children) -> Html {
    html! {
        <Body class="bg-stone-100 px-3 py-8 dark:bg-stone-950 max-sm:py-4">
            <Container class="max-w-[560px]">
                <Section class="bg-white rounded-xl p-10 dark:bg-stone-900 max-sm:p-6">{children}</Section>
                <Section class="p-4 text-center"><Text class="m-0 text-xs text-stone-600">"The shop · " <Unsubscribe>"Unsubscribe"</Unsubscribe></Text></Section>
            </Container>
        </Body>
    }
}

#[component]
pub fn point(sign: &str, title: &str, children: Children) -> Html {
    html! {
        <Row class="mb-4">
            <Column class="w-[44px]"><Section html_only class="w-8 rounded-full bg-stone-100 text-center"><Text class="m-0">{sign}</Text></Section></Column>
            <Column>
                <Text class="m-0 font-semibold">{title}</Text>
                <Text class="m-0 text-sm leading-6 text-stone-600">{children}</Text>
            </Column>
        </Row>
    }
}

#[segflow::project]
pub fn fifty() -> Project<Person> {
    Project::new("fifty")
        .from("The shop <hello@shop.example>")
        .campaign(Campaign::new("all", all).enters(Segment::everyone("everyone")))
        .provider(Capture)
}

"#;

const EMAIL: &str = r#"use segflow::prelude::*;

use crate::{Letter, Person, Point};

#[email("email-NUMBER")]
pub fn email(user: &Person, percent: u32, things: Vec<String>) -> Email {
    html! {
        <Subject>"Number NUMBER for you, " {&user.name} "!"</Subject>
        <Preview>"Three things about number NUMBER."</Preview>
        <Letter>
            <Img src="https://shop.example/NUMBER.png" alt="Number NUMBER" width=480 class="w-full rounded-xl mb-8"/>
            <Heading class="mb-4 text-3xl text-stone-900 dark:text-stone-100">"Welcome to number NUMBER, " {&user.name}</Heading>
            <Text class="mb-5 leading-7 text-stone-700 dark:text-stone-300">"SAYS Number NUMBER is for those who know."</Text>
            if percent > 0 {
                <Section class="mb-6 rounded-xl bg-stone-900 text-center p-8">
                    <Text class="m-0 text-4xl text-white">{percent} " % off"</Text>
                </Section>
            }
            <Point sign="1" title="First of NUMBER">"Small batches, from people we know by name."</Point>
            <Point sign="2" title="Second of NUMBER">"Send it back as it came. We pay the postage."</Point>
            for (n, thing) in things.iter().enumerate() {
                <Row class="mb-2"><Column>{thing}</Column><Column class="w-20 text-right">{n}</Column></Row>
            }
            <Hr class="my-6 border-stone-200"/>
            <Button href="https://shop.example/NUMBER" class="bg-teal-700 text-white font-semibold rounded-lg px-7 py-3.5">
                "See number NUMBER"
            </Button>
        </Letter>
    }
}
"#;
