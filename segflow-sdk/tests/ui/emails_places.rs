use segflow::prelude::*;

fn links() -> Html {
    html! {
        <Link href="https://shop.example">"See " <Link href="https://shop.example/mug">"the mug"</Link></Link>
        <Text><Link href="https://shop.example">if true { <Unsubscribe>"Unsubscribe"</Unsubscribe> }</Link></Text>
        <Button href="https://shop.example"><strong><Link href="https://shop.example">"Shop"</Link></strong></Button>
        <Link href="segflow:unsubscribed">"Unsubscribe"</Link>
        <Link href="segflow:away">"Away"</Link>
    }
}

fn looks() -> Email {
    html! {
        <Subject class="font-bold">"a"</Subject>
        <Preview class="nonsense">"b"</Preview>
        <Raw class="nonsense" html="<p>c</p>"/>
        <Text>"d" <br class="mt-4"/></Text>
        <Markdown links={tw!("text-red-600")}>"e"</Markdown>
    }
}

fn fonts() -> Html {
    html! {
        <Font name="Inter"/>
        <Font name="Inter" src="http://fonts.example/inter.woff2"/>
        <Font name="Inter" src="https://fonts.example/inter.woff2" weight="bold"/>
        <Font name="a}b" src="https://fonts.example/inter.woff2"/>
    }
}

fn columns() -> Html {
    html! { <Column>"a"</Column> <Text>"b"</Text> }
}

fn items() -> Html {
    html! { if true { <li>"a"</li> } "b" }
}

fn email() -> Email {
    html! { <Subject>"a"</Subject> <Column>"b"</Column> }
}

fn main() {}
