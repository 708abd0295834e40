use segflow::prelude::*;

use crate::Customer;
use crate::parts::{Action, Letter, Prose, Rule, Small, Title};

#[email("welcome")]
pub fn welcome(user: &Customer) -> Email {
    html! {
        <Subject>"Welcome to Kiln & Cup, " {&user.name}</Subject>
        <Preview>"Three things worth knowing before your first cup."</Preview>
        <Letter reason="You get this because you opened an account with us.">
            <Img src="https://kiln.example/studio.png" alt="Our studio in the morning" width=480 height=220 class="w-full rounded-xl mb-8"/>
            <Title>"Welcome, " {&user.name}</Title>
            <Prose>"We make cups and bowls by hand, in small batches, and send them to people who use them every day. It is good to have you here."</Prose>
            <Rule/>
            <Step number="1" title="New things on Thursdays">"A kiln is opened every week. What comes out is in the shop by noon."</Step>
            <Step number="2" title="Thirty days to change your mind">"Send it back as it came. We pay the postage."</Step>
            <Step number="3" title="A person answers">"Reply to any of our emails and one of us reads it."</Step>
            <Action to="https://kiln.example/new">"See what is new"</Action>
        </Letter>
    }
}

#[component]
fn step(number: &str, title: &str, children: Children) -> Html {
    html! {
        <Row class="mb-6">
            <Column class="w-[48px] align-top">
                <Section class="w-8 rounded-full bg-cream text-center dark:bg-night">
                    <Text class="m-0 text-sm leading-8 font-semibold text-clay dark:text-ember">{number}</Text>
                </Section>
            </Column>
            <Column class="align-top">
                <Heading level=2 class="m-0 text-base leading-6 font-semibold text-ink dark:text-chalk">{title}</Heading>
                <Small>{children}</Small>
            </Column>
        </Row>
    }
}

#[email("reset")]
pub fn reset(user: &Customer, code: &str, link: &str) -> Email {
    html! {
        <Subject>"Set a new password"</Subject>
        <Preview>"The link is good for one hour."</Preview>
        <Letter reason="You get this because somebody asked for a new password for this address.">
            <Title>"Set a new password"</Title>
            <Prose>"Hello " {&user.name} ", somebody asked for a new password for your account. If that was you, this button is good for one hour:"</Prose>
            <Section class="mb-6"><Action to={link}>"Choose a new password"</Action></Section>
            <Prose>"Or type this code where you were asked for it:"</Prose>
            <Section class="mb-6 rounded-xl bg-cream text-center px-6 py-5 dark:bg-night">
                <Text class="m-0 font-mono text-3xl font-semibold tracking-widest text-ink dark:text-chalk">{code}</Text>
            </Section>
            <Small>"If the button does nothing, open this address: " <Link href={link} class="text-clay break-all dark:text-ember">{link}</Link></Small>
            <Rule/>
            <Small>"It was not you? Then there is nothing to do: your password stays as it is."</Small>
        </Letter>
    }
}
