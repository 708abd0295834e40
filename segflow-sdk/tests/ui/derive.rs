use segflow::prelude::*;

#[derive(Attributes, Serialize, Deserialize)]
#[attributes(adress = "mail")]
struct Misspelt {
    mail: String,
}

#[derive(Attributes, Serialize, Deserialize)]
#[attributes(address = "email")]
struct NoSuchField {
    mail: String,
}

#[derive(Attributes, Serialize, Deserialize)]
#[attributes(address = "mail")]
struct NoText {
    mail: u32,
}

#[derive(Event, Serialize, Deserialize)]
struct Login;

#[email("hello")]
fn hello(name: &str) -> Email {
    template!("hello.html", name)
}

#[email]
fn nameless(user: &Misspelt) -> Email {
    template!("hello.html", user)
}

#[email("borrowed")]
fn borrowed(user: &Misspelt, nickname: Option<&str>) -> Email {
    html! { <Subject>"x"</Subject> {nickname} }
}

fn main() {}
