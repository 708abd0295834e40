//! The emails. The user is filled in when one is sent; every other argument travels with it. `class` takes the names of Tailwind;
//! colours and fonts of your own are in Cargo.toml. `segflow emails` shows them in the browser, with their samples.

use segflow::prelude::*;

use crate::{Purchase, User};

#[email("welcome")]
pub fn welcome(user: &User) -> Email {
    html! {
        <Subject>"Welcome, " {&user.username} "!"</Subject>
        <Preview>"Good to have you here."</Preview>
        <Letter>
            <Heading class="text-2xl">"Welcome, " {&user.username} "!"</Heading>
            <Text>"Good to have you here. In the next weeks we will show you how to get the most out of it."</Text>
            <Button href="https://example.com" class="bg-brand text-white font-semibold rounded-lg px-6 py-3">"Start here"</Button>
        </Letter>
    }
}

#[email("tips")]
pub fn tips(user: &User, tip: u32) -> Email {
    html! {
        <Subject>"Tip " {tip} " of 3 for you, " {&user.username}</Subject>
        <Letter>
            <Heading class="text-2xl">"Tip " {tip} " of 3"</Heading>
            <Text>"Hello " {&user.username} ", here is something that is easily overlooked."</Text>
        </Letter>
    }
}

#[email("order", sample(purchase = Purchase { value: 99.0, order_id: "A-1".into() }))]
pub fn order(user: &User, purchase: &Purchase) -> Email {
    html! {
        <Subject>"Your order " {&purchase.order_id}</Subject>
        <Letter>
            <Heading class="text-2xl">"Thank you, " {&user.username} "!"</Heading>
            <Text>"Order " <strong>{&purchase.order_id}</strong> ": " {purchase.value}</Text>
        </Letter>
    }
}

/// What all emails stand in.
#[component]
fn letter(children: Children) -> Html {
    html! {
        <Body class="bg-slate-100 px-3 py-8 dark:bg-slate-950">
            <Container class="max-w-[560px]">
                <Section class="bg-white rounded-xl p-8 text-slate-800 dark:bg-slate-900 dark:text-slate-100 max-sm:p-6">
                    {children}
                </Section>
                <Text class="m-0 p-4 text-center text-xs text-slate-600 dark:text-slate-400">
                    "__NAME__ · your street, your town · " <Unsubscribe class="text-slate-600 dark:text-slate-400">"Unsubscribe"</Unsubscribe>
                </Text>
            </Container>
        </Body>
    }
}
