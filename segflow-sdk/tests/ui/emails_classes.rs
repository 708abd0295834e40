use segflow::prelude::*;

fn main() {
    let _ = html! {
        <Section class="p-4 text-cetner bg-slat-600">
            <Text class="flex gap-4 -mt-2">"These are dropped by mail clients."</Text>
        </Section>
    };
    let _ = html! { <Text class="focus:underline bg-black/50 p-[2vw]">"So are these."</Text> };
    let _ = html! { <Text class={"p-4"}>"A class at run time has a type."</Text> };
    let _ = tw!("tex-sm");
}
