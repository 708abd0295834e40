use segflow::prelude::*;

fn unquoted() -> Html {
    html! { <Text>Glad to see you, order #12</Text> }
}

fn unknown() -> Html {
    html! {
        <Txt>"a"</Txt>
        <div>"b"</div>
        <Contaner>"c"</Contaner>
    }
}

fn attributes() -> Html {
    html! {
        <Img src="https://shop.example/mug.png"/>
        <Button hreff="https://shop.example">"Shop"</Button>
        <Link href="javascript:alert(1)">"Click"</Link>
        <Link href="/orders">"Orders"</Link>
        <Img src="data:text/html,x" alt="" width="wide"/>
        <Text style="color:red">"Red"</Text>
        <Heading level=7>"Deep"</Heading>
    }
}

fn places() -> Html {
    html! {
        <Row>"No column"</Row>
        <Text><Section>"A block in a line"</Section></Text>
        <Column>"No row"</Column>
    }
}

fn closing() -> Html {
    html! { <Section><Text>"a"</Section></Text> }
}

fn subject() -> Email {
    html! {
        <Subject>"Hello " <strong>"you"</strong></Subject>
        <Section><Subject>"Inside another element"</Subject></Section>
    }
}

fn main() {}
