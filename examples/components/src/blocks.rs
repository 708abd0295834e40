//! What stands for itself.

use segflow::prelude::*;

use crate::{Ground, Reader};

#[email("button")]
pub fn button(_user: &Reader) -> Email {
    html! {
        <Subject>"Button"</Subject>
        <Ground>
            <Section class="mb-3">
                <Button href="https://shop.example" class="bg-brand text-white font-semibold rounded-lg px-6 py-3">"See your order"</Button>
            </Section>
            <Button href="https://shop.example" class="w-full border border-slate-300 text-slate-900 rounded-lg px-6 py-3">"The whole width"</Button>
        </Ground>
    }
}

#[email("img")]
pub fn img(_user: &Reader) -> Email {
    html! {
        <Subject>"Img"</Subject>
        <Ground><Img src="https://shop.example/hills.png" alt="Hills in the morning" width=432 class="rounded-xl"/></Ground>
    }
}

#[email("hr")]
pub fn hr(_user: &Reader) -> Email {
    html! {
        <Subject>"Hr"</Subject>
        <Ground>
            <Text class="m-0">"Above"</Text>
            <Hr class="my-4"/>
            <Text class="m-0">"and below"</Text>
            <Hr class="my-4 border-t-2 border-dashed border-brand"/>
        </Ground>
    }
}

#[email("code")]
pub fn code(_user: &Reader) -> Email {
    html! {
        <Subject>"CodeBlock"</Subject>
        <Ground><CodeBlock class="m-0">"fn main() {\n    println!(\"hello\");\n}"</CodeBlock></Ground>
    }
}

#[email("raw")]
pub fn raw(_user: &Reader) -> Email {
    html! {
        <Subject>"Raw"</Subject>
        <Ground>
            <Raw
                html="<table width='100%' cellpadding='12' style='background:#fef3c7'><tr><td>HTML as it is</td></tr></table>"
                text="HTML as it is"
            />
        </Ground>
    }
}

/// The same email, looked at in light and in dark.
#[email("dark")]
pub fn dark(_user: &Reader) -> Email {
    html! {
        <Subject>"dark:"</Subject>
        <Ground>
            <Heading level=3 class="mb-1 text-slate-900 dark:text-slate-100">"Good evening"</Heading>
            <Text class="m-0 text-slate-600 dark:text-slate-400">"The same email, where readers ask for dark."</Text>
        </Ground>
    }
}
