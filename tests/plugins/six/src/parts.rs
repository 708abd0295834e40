//! What the six have in common.

use segflow::Show;
use segflow::prelude::*;

#[component]
pub fn letter(reason: &str, wide: bool, children: Children) -> Html {
    html! {
        <Body class="bg-cream px-3 py-10 dark:bg-night max-sm:py-4">
            <Container class={if wide { tw!("max-w-[640px]") } else { tw!("max-w-[560px]") }}>
                <Section class="px-2 pb-6">
                    <Row>
                        <Column class="w-[44px] align-middle">
                            <Img src="https://kiln.example/mark.png" alt="" width=32 height=32 class="rounded-lg"/>
                        </Column>
                        <Column class="align-middle">
                            <Text class="m-0 text-lg font-semibold tracking-tight text-ink dark:text-chalk">"Kiln & Cup"</Text>
                        </Column>
                    </Row>
                </Section>
                <Section class="bg-white border border-line rounded-2xl p-10 dark:bg-dusk dark:border-edge max-sm:p-6">
                    {children}
                </Section>
                <Section class="px-2 pt-6">
                    <Text class="m-0 text-xs leading-5 text-muted dark:text-ash">
                        {reason} " "
                        <Unsubscribe class="text-muted dark:text-ash">"Unsubscribe"</Unsubscribe> " or "
                        <Preferences class="text-muted dark:text-ash">"choose what you get"</Preferences> "."
                    </Text>
                    <Text class="m-0 mt-2 text-xs leading-5 text-muted dark:text-ash">"Kiln & Cup · 7 Potters Row · Stoke ST1 4AA"</Text>
                </Section>
            </Container>
        </Body>
    }
}

#[component]
pub fn title(children: Children) -> Html {
    html! { <Heading class="m-0 mb-4 text-3xl font-semibold tracking-tight text-ink dark:text-chalk max-sm:text-2xl">{children}</Heading> }
}

#[component]
pub fn prose(children: Children) -> Html {
    html! { <Text class="m-0 mb-5 text-base leading-7 text-ink dark:text-chalk">{children}</Text> }
}

#[component]
pub fn small(children: Children) -> Html {
    html! { <Text class="m-0 text-sm leading-6 text-muted dark:text-ash">{children}</Text> }
}

#[component]
pub fn action(to: &str, children: Children) -> Html {
    html! { <Button href={to} class="bg-clay text-white text-base font-semibold rounded-lg px-6 py-3.5 hover:bg-ink">{children}</Button> }
}

#[component]
pub fn rule() -> Html {
    html! { <Hr class="my-6 border-line dark:border-edge"/> }
}

/// An amount in cents, shown as people write it.
pub struct Dollars(pub u32);

impl Show for Dollars {
    fn html(&self, out: &mut String) {
        self.text(out);
    }

    fn text(&self, out: &mut String) {
        let Dollars(cents) = self;
        out.push('$');
        (cents / 100).text(out);
        out.push_str(if cents % 100 < 10 { ".0" } else { "." });
        (cents % 100).text(out);
    }
}
