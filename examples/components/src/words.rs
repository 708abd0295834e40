//! What is read.

use segflow::prelude::*;

use crate::{Ground, Reader};

#[email("text")]
pub fn text(user: &Reader) -> Email {
    html! {
        <Subject>"Text"</Subject>
        <Ground>
            <Text>"Dear " {&user.name} ", a paragraph with " <strong>"weight"</strong> ", " <em>"stress"</em> " and " <code>"code"</code> "."</Text>
            <Text class="m-0 text-sm text-slate-500">"And a quiet one below."</Text>
        </Ground>
    }
}

#[email("heading")]
pub fn heading(_user: &Reader) -> Email {
    html! {
        <Subject>"Heading"</Subject>
        <Ground>
            <Heading>"The first level"</Heading>
            <Heading level=2>"The second"</Heading>
            <Heading level=3 class="m-0 text-brand">"The third, in a colour"</Heading>
        </Ground>
    }
}

#[email("link")]
pub fn link(_user: &Reader) -> Email {
    html! {
        <Subject>"Link"</Subject>
        <Ground>
            <Text class="m-0">"Have a look at " <Link href="https://shop.example">"the shop"</Link> ", or "
                <Link href="mailto:hi@shop.example" class="text-brand font-semibold no-underline">"write to us"</Link> "."</Text>
        </Ground>
    }
}

#[email("lists")]
pub fn lists(_user: &Reader) -> Email {
    html! {
        <Subject>"ul, ol, li"</Subject>
        <Ground>
            <ul><li>"One thing"</li><li>"and another"</li></ul>
            <ol class="m-0">for step in ["Open the box", "Read this"] { <li>{step}</li> }</ol>
        </Ground>
    }
}

#[email("markdown")]
pub fn markdown(_user: &Reader) -> Email {
    let text = "## From an editor\n\nWith *stress*, a [link](https://shop.example) and\n\n- a list\n\n> and what somebody said";
    html! {
        <Subject>"Markdown"</Subject>
        <Ground><Markdown>{text}</Markdown></Ground>
    }
}

#[email("footer")]
pub fn footer(_user: &Reader) -> Email {
    html! {
        <Subject>"Unsubscribe, Preferences, OpenInBrowser"</Subject>
        <Ground>
            <Text class="m-0 text-center text-xs text-gray-500">
                <Unsubscribe>"Unsubscribe"</Unsubscribe> " · " <Preferences>"Choose what you get"</Preferences> " · "
                <OpenInBrowser>"Open in the browser"</OpenInBrowser>
            </Text>
        </Ground>
    }
}
