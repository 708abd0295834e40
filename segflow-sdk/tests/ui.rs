//! What somebody reads who made a mistake. After a change that is meant: `TRYBUILD=overwrite cargo test -p segflow-sdk --test ui`.

#[test]
fn mistakes_are_explained() {
    // Files of emails, where the project of these finds them: beside its own folder.
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let write = |name: &str, html: &str| std::fs::write(folder.join(name), format!("subject: Hi\n---\n{html}\n"));
    write("misspelt.html", "<p>Hello {{ usr.name }}, {{ percent|upr }}</p>").expect("the folder is there");
    write("hostile.html", "<a title={{ user.email }} href=\"javascript:x\">a</a>").expect("the folder is there");
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
