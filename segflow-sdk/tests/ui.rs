//! What somebody reads who made a mistake. After a change that is meant: `TRYBUILD=overwrite cargo test -p segflow-sdk --test ui`.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
