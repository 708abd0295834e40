use segflow::prelude::*;

struct Money(u32);

#[component]
fn price_line(name: &str, price: u32, #[default(1)] count: u32) -> Html {
    html! { <Text>{count} " × " {name} " " {price}</Text> }
}

#[component]
fn text(children: Children) -> Html {
    children
}

fn wrong() -> Html {
    html! {
        <PriceLine name="Mug" price="12"/>
        <PriceLine name="Mug" prise=12 price=12/>
        <PriceLine price=12/>
        <PriceLine name="Mug" price=12>"No children"</PriceLine>
        {Money(12)}
    }
}

fn main() {}
