use segflow::prelude::*;

use crate::parts::{Action, Dollars, Letter, Prose, Rule, Small, Title};
use crate::{Customer, Order};

#[email("order")]
pub fn order(user: &Customer, order: &Order) -> Email {
    let goods: u32 = order.lines.iter().map(|line| line.count * line.price).sum();
    html! {
        <Subject>"Your order " {&order.number}</Subject>
        <Preview>"Thank you, " {&user.name} ". We write again when it is on its way."</Preview>
        <Letter reason="You get this because you ordered from us.">
            <Title>"Thank you, " {&user.name}</Title>
            <Prose>"Your order " <strong>{&order.number}</strong> " is paid. We wrap it tomorrow and write again when it is on its way."</Prose>
            <Rule/>
            for line in &order.lines {
                <Row class="mb-3">
                    <Column class="align-top">
                        <Text class="m-0 text-sm leading-6 font-semibold text-ink dark:text-chalk">{&line.name}</Text>
                        <Text class="m-0 text-xs leading-5 text-muted dark:text-ash">{line.count} " × " {Dollars(line.price)} ", " {&line.detail}</Text>
                    </Column>
                    <Column class="w-[96px] align-top text-right">
                        <Text class="m-0 text-sm leading-6 text-ink dark:text-chalk">{Dollars(line.count * line.price)}</Text>
                    </Column>
                </Row>
            }
            <Rule/>
            <Sum what="Goods" cents={goods}/>
            <Sum what="Shipping" cents={order.shipping}/>
            <Sum what="Tax" cents={order.tax}/>
            <Row class="mt-3 mb-8">
                <Column class="align-top"><Text class="m-0 text-lg font-semibold text-ink dark:text-chalk">"Total"</Text></Column>
                <Column class="w-[120px] align-top text-right">
                    <Text class="m-0 text-lg font-semibold text-ink dark:text-chalk">{Dollars(goods + order.shipping + order.tax)}</Text>
                </Column>
            </Row>
            <Section class="mb-8 rounded-xl bg-cream px-6 py-5 dark:bg-night">
                <Heading level=2 class="m-0 mb-1 text-sm font-semibold text-ink dark:text-chalk">"It goes to"</Heading>
                for line in &order.address { <Small>{line}</Small> }
            </Section>
            <Action to="https://kiln.example/orders">"See your order"</Action>
        </Letter>
    }
}

#[component]
fn sum(what: &str, cents: u32) -> Html {
    html! {
        <Row>
            <Column class="align-top"><Small>{what}</Small></Column>
            <Column class="w-[96px] align-top text-right"><Small>{Dollars(cents)}</Small></Column>
        </Row>
    }
}
