use segflow::prelude::*;

#[component]
async fn later(name: &str) -> Html {
    html! { {name} }
}

#[component]
fn generic<T: segflow::Show>(value: T) -> Html {
    html! { {value} }
}

#[component]
fn implied(value: impl segflow::Show) -> Html {
    html! { {value} }
}

#[component(fast)]
fn options(name: &str) -> Html {
    html! { {name} }
}

#[component]
fn pattern((a, b): (u32, u32)) -> Html {
    html! { {a} {b} }
}

#[component]
fn taken(render: &str) -> Html {
    html! { {render} }
}

#[component]
fn attribute(#[optional] name: &str) -> Html {
    html! { {name} }
}

fn main() {}
