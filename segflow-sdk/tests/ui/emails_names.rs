use segflow::prelude::*;

#[component]
fn price_line(name: &str) -> Html {
    html! { <Text>{name}</Text> }
}

fn wrong(words: &[&str], count: Option<u32>) -> Html {
    html! {
        <PriceLin name="Mug"/>
        if wrong_name { "a" }
        for word in words { <Text>{wrod}</Text> }
        match count {
            Some(n) => { <Text>{m}</Text> }
            None => { <PriceLine name={nmae}/> }
        }
        <Section class={wrong_class}>"b"</Section>
    }
}

fn main() {}
