//! What the shop writes. The user is filled in when an email is sent; every other argument travels with the message.

use segflow::prelude::*;

use crate::parts::{Action, Headline, Letter, Point, Prose};
use crate::{Purchase, Shopper};

#[email("welcome-email")]
pub fn welcome(user: &Shopper) -> Email {
    html! {
        <Subject>"Welcome to Segflow, " {&user.username} "!"</Subject>
        <Preview>"Good to have you here: three things worth knowing."</Preview>
        <Letter>
            <Headline above="Good to see you">"Welcome, " {&user.username} "!"</Headline>
            <Prose>"Good to have you here. Have a look around, and write to us whenever something is missing."</Prose>
            <Hr class="my-6 border-sand dark:border-stone-700"/>
            <Point sign="1" title="New things on Thursdays">"Small batches, from people we know by name."</Point>
            <Point sign="2" title="Thirty days to change your mind">"Send it back as it came. We pay the postage."</Point>
            <Point sign="3" title="A person answers">"Reply to any of our mails and one of us reads it."</Point>
            <Action to="https://shop.example/new">"See what is new"</Action>
        </Letter>
    }
}

#[email("winback-email")]
pub fn winback(user: &Shopper) -> Email {
    html! {
        <Subject>"We miss you, " {&user.username} "!"</Subject>
        <Preview>"The shelves have changed since you were here last."</Preview>
        <Letter>
            <Headline above="It has been a while">"We kept your seat warm, " {&user.username}</Headline>
            <Prose>"The shelves have changed since you were here last. Come and see."</Prose>
            <Section class="mb-6 rounded-xl bg-paper dark:bg-night px-6 py-5">
                <Text class="m-0 font-display text-lg italic text-ink dark:text-paper">
                    "“The blue mugs are back, and there are tall ones now.”"
                </Text>
            </Section>
            <Action to="https://shop.example">"Come back"</Action>
        </Letter>
    }
}

#[email("vip-email")]
pub fn vip(user: &Shopper) -> Email {
    html! {
        <Subject>"You're one of our VIP customers, " {&user.username} "!"</Subject>
        <Preview>"Free shipping this month, and new things a day earlier."</Preview>
        <Letter>
            <Headline above="For our best customers">"Thank you, " {&user.username}</Headline>
            <Prose>"You are one of our best customers. This month, these are yours:"</Prose>
            <Section class="mb-6 rounded-xl bg-ink text-center px-6 py-7">
                <Text class="m-0 font-display text-4xl text-paper">"Free shipping"</Text>
                <Text class="m-0 mt-2 text-sm leading-6 text-stone-300">"on every order, however small"</Text>
            </Section>
            <Point sign="+" title="A day earlier">"New things are yours on Wednesdays, before anybody else sees them."</Point>
            <Point sign="+" title="Kept for you">"Write to us and we put the last one aside for a week."</Point>
            <Action to="https://shop.example/vip">"Your VIP page"</Action>
        </Letter>
    }
}

#[email("order-confirmed", sample(purchase = Purchase { value: 129.5, order_id: "A-1042".into() }))]
pub fn order_confirmed(user: &Shopper, purchase: &Purchase) -> Email {
    html! {
        <Subject>"Order Confirmed, " {&user.username} "!"</Subject>
        <Preview>"Thank you for your order. We write again as soon as it is on its way."</Preview>
        <Letter>
            <Headline above="Order confirmed">"Thank you for your order, " {&user.username} "!"</Headline>
            <Section class="mb-6 rounded-xl bg-paper dark:bg-night px-6 py-5">
                <Text class="m-0 leading-7 text-ink dark:text-paper">
                    "Order " <strong>{&purchase.order_id}</strong> ": " {dollars(purchase.value)}
                </Text>
                <Text class="m-0 text-sm leading-6 text-stone-600 dark:text-stone-400">"Paid. There is nothing left for you to do."</Text>
            </Section>
            <Prose>"We write again as soon as it is on its way."</Prose>
            <Action to="https://shop.example/orders">"See your order"</Action>
        </Letter>
    }
}

fn dollars(value: f64) -> String {
    format!("${value:.2}")
}
