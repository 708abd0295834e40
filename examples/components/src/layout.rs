//! What holds other things.

use segflow::prelude::*;

use crate::{Ground, Reader};

#[email("body")]
pub fn body(_user: &Reader) -> Email {
    html! {
        <Subject>"Body"</Subject>
        <Body class="bg-teal-50 font-serif p-8 text-teal-900"><Text class="m-0">"A ground, a font, a colour for all that is in it."</Text></Body>
    }
}

#[email("container")]
pub fn container(_user: &Reader) -> Email {
    html! {
        <Subject>"Container"</Subject>
        <Body class="bg-slate-100 p-6">
            <Container class="max-w-[320px] bg-white border border-slate-200 rounded-xl p-5">
                <Text class="m-0">"In the middle, and no wider than it should be."</Text>
            </Container>
        </Body>
    }
}

#[email("section")]
pub fn section(_user: &Reader) -> Email {
    html! {
        <Subject>"Section"</Subject>
        <Ground>
            <Section class="mb-3 rounded-lg bg-slate-900 p-5"><Text class="m-0 text-white">"A block with a ground of its own"</Text></Section>
            <Section class="rounded-lg border border-dashed border-slate-400 p-5"><Text class="m-0">"and one with a border"</Text></Section>
        </Ground>
    }
}

#[email("row")]
pub fn row(_user: &Reader) -> Email {
    html! {
        <Subject>"Row and Column"</Subject>
        <Ground>
            <Row class="mb-4">
                <Column class="w-1/3 bg-amber-100 p-3 text-sm">"One third"</Column>
                <Column class="bg-sky-100 p-3 text-sm">"and the rest"</Column>
            </Row>
            for (name, price) in [("Mug", "$12.00"), ("Plate", "$30.00")] {
                <Row class="border-b border-slate-200">
                    <Column class="py-2">{name}</Column>
                    <Column class="w-24 py-2 text-right">{price}</Column>
                </Row>
            }
        </Ground>
    }
}
