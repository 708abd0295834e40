use segflow::prelude::*;

struct Money(u32);

#[component]
fn price_line(name: &str, price: u32) -> Html {
    html! { <Text>{name} " " {price}</Text> }
}

fn wrong(prices: &[u32], note: Option<&str>) -> Html {
    html! {
        if prices.len() { "some" }
        if let Some(note) = note { <PriceLine name=12 price=1/> }
        for price in prices { <PriceLine name="Mug" prise={*price}/> }
        match note {
            Some(_) => { {Money(1)} }
            None => { <Link href={12}>"a"</Link> }
        }
    }
}

fn main() {}
