//! What the shop's emails have in common.

use segflow::prelude::*;

/// The frame of every mail: the name above, a card, the small print below.
#[component]
pub fn letter(children: Children) -> Html {
    html! {
        <Body class="bg-paper dark:bg-night px-3 py-8 max-sm:py-3">
            <Container class="max-w-[560px]">
                <Section class="pb-5 text-center" html_only>
                    <Text class="m-0 font-display text-xl leading-7 tracking-wide text-ink dark:text-paper">"Storefront"</Text>
                </Section>
                <Section class="bg-white dark:bg-dusk rounded-2xl border border-sand dark:border-dusk p-10 max-sm:px-6 max-sm:py-8">
                    {children}
                </Section>
                <Section class="px-6 pt-6 text-center">
                    <Text class="m-0 text-xs leading-5 text-stone-600 dark:text-stone-400">
                        "Storefront · 12 Market Lane · Leith EH6"<br/>
                        "You get this because you have an account with us. "
                        <Unsubscribe class="text-stone-600 dark:text-stone-400">"Unsubscribe"</Unsubscribe>
                    </Text>
                </Section>
            </Container>
        </Body>
    }
}

/// The words at the top of a card, with a small line above.
#[component]
pub fn headline(above: &str, children: Children) -> Html {
    html! {
        <Text class="m-0 mb-3 text-xs leading-4 font-semibold uppercase tracking-widest text-clay dark:text-orange-300">{above}</Text>
        <Heading class="mb-4 font-display font-normal text-3xl text-ink dark:text-paper max-sm:text-2xl">{children}</Heading>
    }
}

/// A paragraph.
#[component]
pub fn prose(children: Children) -> Html {
    html! { <Text class="mb-5 leading-7 text-stone-700 dark:text-mist">{children}</Text> }
}

/// The one thing to do.
#[component]
pub fn action(to: &str, children: Children) -> Html {
    html! {
        <Button href={to} class="mt-2 bg-moss hover:bg-ink text-white font-semibold rounded-lg px-7 py-3.5">{children}</Button>
    }
}

/// A fact about the shop, with a number or a sign in front.
#[component]
pub fn point(sign: &str, title: &str, children: Children) -> Html {
    html! {
        <Row class="mb-4">
            <Column class="w-[44px]">
                <Section html_only class="w-8 rounded-full bg-paper dark:bg-night text-center">
                    <Text class="m-0 text-sm leading-8 font-semibold text-moss dark:text-emerald-300">{sign}</Text>
                </Section>
            </Column>
            <Column>
                <Text class="m-0 text-base leading-6 font-semibold text-ink dark:text-paper">{title}</Text>
                <Text class="m-0 text-sm leading-6 text-stone-600 dark:text-stone-400">{children}</Text>
            </Column>
        </Row>
    }
}
