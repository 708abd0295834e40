//! The emails. The user is filled in when one is sent; every other argument travels with it. `class` takes the names of Tailwind;
//! colours and fonts of your own are in Cargo.toml. `segflow emails` shows them in the browser, with their samples.

use segflow::prelude::*;

use crate::{Purchase, User};

#[email("welcome")]
pub fn welcome(user: &User) -> Email {
    html! {
        <Subject>"Welcome, " {&user.username} "!"</Subject>
        <Preview>"Good to have you here. This is where to begin."</Preview>
        <Letter>
            <Title>"Welcome, " {&user.username} "!"</Title>
            <Say>"Good to have you here. In the next weeks we will show you how to get the most out of it: three short mails, and then silence."</Say>
            <Action to="https://example.com/start">"Start here"</Action>
        </Letter>
    }
}

#[email("tips", sample(tip = 1))]
pub fn tips(user: &User, tip: u32) -> Email {
    html! {
        <Subject>"Tip " {tip} " of 3 for you, " {&user.username}</Subject>
        <Preview>"Something that is easily overlooked."</Preview>
        <Letter>
            <Text class="mb-2 text-sm font-semibold text-brand dark:text-blue-300">"Tip " {tip} " of 3"</Text>
            <Title>"Easily overlooked"</Title>
            <Say>"Hello " {&user.username} ", here is something that most people find only after a month. Now you know it after a week."</Say>
            <Action to="https://example.com/tips">"Show me"</Action>
        </Letter>
    }
}

#[email("order", sample(purchase = Purchase { value: 99.0, order_id: "A-1042".into() }))]
pub fn order(user: &User, purchase: &Purchase) -> Email {
    html! {
        <Subject>"Your order " {&purchase.order_id}</Subject>
        <Preview>"Thank you. We write again as soon as it is on its way."</Preview>
        <Letter>
            <Title>"Thank you, " {&user.username} "!"</Title>
            <Say>"Your order is paid. We write again as soon as it is on its way."</Say>
            <Section class="mb-8 rounded-xl bg-slate-100 px-5 py-4 dark:bg-slate-800">
                <Row>
                    <Column class="text-slate-600 dark:text-slate-300">"Order " {&purchase.order_id}</Column>
                    <Column class="text-right font-semibold">{format_args!("${:.2}", purchase.value)}</Column>
                </Row>
            </Section>
            <Action to="https://example.com/orders">"See your order"</Action>
        </Letter>
    }
}

/// What all emails stand in.
#[component]
fn letter(children: Children) -> Html {
    html! {
        <Body class="bg-slate-100 px-3 py-10 text-slate-900 dark:bg-slate-950 dark:text-slate-100 max-sm:py-5">
            <Container class="max-w-[560px]">
                <Section class="px-2 pb-4" html_only><Text class="m-0 text-lg font-semibold tracking-tight">"__NAME__"</Text></Section>
                <Section class="rounded-2xl border border-slate-200 bg-white p-10 dark:border-slate-800 dark:bg-slate-900 max-sm:p-6">
                    {children}
                </Section>
                <Section class="px-2 pt-5">
                    <Text class="m-0 text-xs leading-5 text-slate-600 dark:text-slate-400">
                        "You get this because you have an account with us. "
                        <Unsubscribe class="text-slate-600 dark:text-slate-400">"Unsubscribe"</Unsubscribe><br/>
                        "__NAME__ · your street, your town"
                    </Text>
                </Section>
            </Container>
        </Body>
    }
}

#[component]
fn title(children: Children) -> Html {
    html! { <Heading class="mb-4 text-3xl tracking-tight max-sm:text-2xl">{children}</Heading> }
}

#[component]
fn say(children: Children) -> Html {
    html! { <Text class="mb-8 leading-7 text-slate-700 dark:text-slate-300">{children}</Text> }
}

/// The one thing to do.
#[component]
fn action(to: &str, children: Children) -> Html {
    html! { <Button href={to} class="rounded-lg bg-brand px-6 py-3.5 font-semibold text-white hover:bg-slate-900">{children}</Button> }
}
