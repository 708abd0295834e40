use crate::prelude::*;

#[test]
fn a_first_email() {
    let name = "<b>Eve";
    let email: Email = html! {
        <Subject>"Hello, " {name} "!"</Subject>
        <Preview>"Good to see you"</Preview>
        <Container class="p-5 bg-white dark:bg-black">
            <Heading>"Hello, " {name} "!"</Heading>
            <Text class="text-sm">"See " <Link href="https://shop.example">"the shop"</Link> "."</Text>
            <Button href="https://shop.example/new" class="bg-black text-white px-5 py-3 rounded">"See it"</Button>
        </Container>
    };
    let rendered = email.finish().expect("it renders");
    assert_eq!(rendered.subject, "Hello, <b>Eve!");
    println!("{}", rendered.html);
    assert_eq!(
        rendered.text,
        "Hello, <b>Eve!\n\nSee the shop (https://shop.example).\n\nSee it (https://shop.example/new)\n"
    );
}
