//! The files of a new project. They are files here too, in `template/`, where they can be read as what they are.

/// Paths inside the project, with their text.
pub fn files(name: &str, sdk: &str) -> Vec<(&'static str, String)> {
    let library = name.replace('-', "_");
    let fill = |text: &str| text.replace("__NAME__", name).replace("__CRATE__", &library).replace("__SDK__", sdk);
    vec![
        ("Cargo.toml", fill(include_str!("../../../template/Cargo.toml.in"))),
        ("src/lib.rs", fill(include_str!("../../../template/src/lib.rs"))),
        ("src/emails.rs", fill(include_str!("../../../template/src/emails.rs"))),
        ("tests/welcome.rs", fill(include_str!("../../../template/tests/welcome.rs"))),
        ("clippy.toml", fill(include_str!("../../../template/clippy.toml"))),
        (".gitignore", fill(include_str!("../../../template/gitignore"))),
    ]
}
