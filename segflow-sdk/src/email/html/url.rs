//! Which addresses may stand in an email. The macro holds literal ones against the same lists (`segflow-macros/src/html/address.rs`).

use super::show;
use crate::email::links;

/// For links. `segflow:` is what the server fills in.
pub const LINKS: &[&str] = &["https:", "http:", "mailto:", "tel:", "segflow:"];
/// What it fills in.
const FILLED_IN: [&str; 4] = [links::UNSUBSCRIBE, links::PREFERENCES, links::OPEN_IN_BROWSER, links::CONFIRM];
/// For images: data only of kinds that cannot run anything.
pub const IMAGES: &[&str] =
    &["https:", "http:", "cid:", "data:image/png;", "data:image/gif;", "data:image/jpeg;", "data:image/webp;"];

/// The address without white space around it, or why it is not sent. An address without a scheme leads nowhere in a mail.
pub fn check<'a>(address: &'a str, schemes: &[&str]) -> Result<&'a str, String> {
    // Most are a word, and looked at once.
    let is_word = show::is_word(address);
    let address = if is_word { address } else { address.trim() };
    let starts = |scheme: &&str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let clean = is_word
        || match address.is_ascii() {
            true => !address.bytes().any(|byte| byte.is_ascii_control()),
            false => !address.contains(|c: char| c.is_control()),
        };
    if starts(&"segflow:") && schemes == LINKS && !FILLED_IN.contains(&address) {
        return Err(format!("the server fills in no `{address}`; there are `{}`", FILLED_IN.join("`, `")));
    }
    match clean && schemes.iter().any(starts) {
        true => Ok(address),
        false => {
            let shown: String = address.chars().filter(|c| !c.is_control()).take(60).collect();
            Err(format!("the address `{shown}` does not begin with {}", schemes.join(", ")))
        }
    }
}
