use segflow::prelude::*;

use crate::parts::{Action, Dollars, Letter, Prose, Rule, Small, Title};
use crate::{Customer, Product, Story};

#[email("winback")]
pub fn winback(user: &Customer, products: Vec<Product>) -> Email {
    html! {
        <Subject>"We kept your seat warm, " {&user.name}</Subject>
        <Preview>"The shelves have changed since you were here last."</Preview>
        <Letter reason="You get this because you bought from us before.">
            <Title>"We kept your seat warm, " {&user.name}</Title>
            <Prose>"The shelves have changed since you were here last. These came out of the kiln this week:"</Prose>
            <Row class="mb-4">
                for product in &products {
                    <Column class="w-1/3 align-top px-2 pb-4 max-[480px]:block max-[480px]:w-full max-[480px]:px-0">
                        <Img src={&product.picture} alt={&product.name} width=144 height=144 class="w-full rounded-xl mb-3"/>
                        <Text class="m-0 text-sm leading-6 font-semibold text-ink dark:text-chalk">
                            <Link href={&product.link} class="text-ink no-underline dark:text-chalk">{&product.name}</Link>
                        </Text>
                        <Small>{Dollars(product.price)}</Small>
                    </Column>
                }
            </Row>
            <Section class="mb-8 border-l-4 border-clay bg-cream px-6 py-5 dark:bg-night">
                <Text class="m-0 font-serif text-lg italic text-ink dark:text-chalk">"“The blue one is my third, and the first that nobody has borrowed.”"</Text>
                <Text class="m-0 mt-2 text-sm leading-6 text-muted dark:text-ash">"Rosa, Bristol"</Text>
            </Section>
            <Action to="https://kiln.example/new">"Come back"</Action>
        </Letter>
    }
}

#[email("vip")]
pub fn vip(user: &Customer, code: String, percent: u32) -> Email {
    html! {
        <Subject>"For our best customers: " {percent} " % off, " {&user.name}</Subject>
        <Preview>"And new things a day earlier, every week."</Preview>
        <Letter reason="You get this because you are one of our best customers.">
            <Section class="mb-8 rounded-xl bg-ink text-center px-6 py-10 dark:bg-night">
                <Text class="m-0 mb-2 text-xs font-semibold uppercase tracking-widest text-ember">"The inner circle"</Text>
                <Text class="m-0 text-5xl font-semibold tracking-tight text-chalk max-sm:text-4xl">{percent} " % off"</Text>
                <Text class="m-0 mt-3 text-sm leading-6 text-ash">"with the code " <strong class="text-chalk">{&code}</strong></Text>
            </Section>
            <Title>"Thank you, " {&user.name}</Title>
            <Prose>"You are one of the people who keep the kiln warm. From today on you have:"</Prose>
            <ul class="m-0 mb-8 pl-6 text-ink dark:text-chalk">
                <li class="mb-2 text-base leading-7">"new things on Wednesdays, a day before anybody else"</li>
                <li class="mb-2 text-base leading-7">"free shipping on every order, however small"</li>
                <li class="text-base leading-7">"a person to write to: " <Link href="mailto:vip@kiln.example" class="text-clay dark:text-ember">"vip@kiln.example"</Link></li>
            </ul>
            <Action to="https://kiln.example/vip">"Your page"</Action>
        </Letter>
    }
}

#[email("digest")]
pub fn digest(_user: &Customer, month: String, stories: Vec<Story>) -> Email {
    html! {
        <Subject>"What we wrote in " {&month}</Subject>
        <Preview>{stories.len()} " stories from the studio, and one recipe."</Preview>
        <Letter wide reason="You get this because you asked for our letter.">
            <Title>{&month} " in the studio"</Title>
            <Prose>{stories.len()} " stories, the newest first. Read one with your coffee."</Prose>
            for story in &stories {
                <Rule/>
                <Heading level=2 class="m-0 mb-1 text-lg font-semibold">
                    <Link href={&story.link} class="text-ink no-underline dark:text-chalk">{&story.title}</Link>
                </Heading>
                <Text class="m-0 mb-2 text-xs leading-5 text-muted dark:text-ash">{&story.author} " · " {story.minutes} " min"</Text>
                <Text class="m-0 text-sm leading-6 text-ink dark:text-chalk">{&story.words}</Text>
            }
            <Rule/>
            <Action to="https://kiln.example/stories">"All stories"</Action>
        </Letter>
    }
}
