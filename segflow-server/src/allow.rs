//! The list of those who may be written to, for a server with real people's data that must not mail them.

use std::collections::BTreeSet;

use crate::address;

/// Addresses, and domains as `@shop.example`, each as it is always written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(BTreeSet<String>);

/// Why a message is not sent that goes to anybody else.
pub const REASON: &str = "the address is not on the allow-list";

impl AllowList {
    /// An error says which pattern is neither an address nor a domain.
    pub fn of<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<AllowList, String> {
        let normal = |pattern: &'a str| {
            let pattern = pattern.trim();
            let whole = if pattern.starts_with('@') { format!("all{pattern}") } else { pattern.to_string() };
            match address::is_one(&whole) {
                true => Ok(address::normal(pattern)),
                false => Err(format!("`{pattern}` is neither an address nor a domain such as @shop.example")),
            }
        };
        patterns.into_iter().map(normal).collect::<Result<_, _>>().map(AllowList)
    }

    /// Whether an address may be written to. A domain stands for itself, not for those below it.
    pub fn allows(&self, address: &str) -> bool {
        let address = address::normal(address);
        let domain = address.rfind('@').map(|at| &address[at..]);
        self.0.contains(&address) || domain.is_some_and(|domain| self.0.contains(domain))
    }

    pub fn patterns(&self) -> &BTreeSet<String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_allowed_by_itself_or_by_its_domain() {
        let list = AllowList::of(["@Team.example", " Ada@Shop.example ", "@GRÜSSE.example"]).expect("patterns");
        for address in ["bob@team.example", "Bob@TEAM.example", "ada@shop.example", "x@xn--grsse-lva.example"] {
            assert!(list.allows(address), "{address}");
        }
        for address in ["bob@shop.example", "bob@mail.team.example", "bob@notteam.example", "team.example", ""] {
            assert!(!list.allows(address), "{address}");
        }
        assert!(!AllowList::default().allows("ada@shop.example"), "of nobody, nobody");
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for pattern in ["", "@", "team.example", "@team.example, @other.example", "*@team.example@", "a@b@c.example"] {
            let why = AllowList::of(["@good.example", pattern]).expect_err(pattern);
            assert!(why.contains(&format!("`{pattern}`")), "{why}");
        }
    }
}
