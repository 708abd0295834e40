//! `class="…"`: names of Tailwind v4, resolved here and nowhere else, while the project is compiled.
//!
//! [`resolve`] reads the names of one attribute. What they mean is in [`table`], what is refused and why in [`refused`], which of two
//! wins in [`order`], how the result is written in [`style`], and what a project adds in [`theme`].

mod order;
mod palette;
mod refused;
pub mod style;
pub mod table;
#[cfg(test)]
mod tests;
pub mod theme;
mod value;

use crate::nearest::nearest;
use style::{Declarations, PARTS, Part};
use table::Utility;
use theme::Theme;

/// What the classes of one element come to.
#[derive(Debug, Default, Clone)]
pub struct Classes {
    /// What always holds: it is written inline.
    pub base: Declarations,
    /// What holds in some cases: it goes to the `<style>` in the head.
    conditional: Vec<(Condition, Declarations)>,
}

/// When a class counts: `sm:`, `max-md:`, `dark:`, `hover:`, or several of them.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    dark: bool,
    /// From this width on.
    from: Option<u16>,
    /// Narrower than this, the wide ones first.
    below: Option<std::cmp::Reverse<u16>>,
    hover: bool,
}

const WIDTHS: [(&str, u16); 4] = [("sm", 640), ("md", 768), ("lg", 1024), ("xl", 1280)];

/// Reads the names of one `class` attribute, with everything that is wrong with them.
pub fn resolve(names: &str, theme: &Theme) -> Result<Classes, Vec<String>> {
    let (mut found, mut mistakes) = (Vec::new(), Vec::new());
    for name in names.split_whitespace() {
        match condition(name).and_then(|(condition, plain)| Ok((condition, plain, utility(plain, theme)?))) {
            Ok(class) => found.push(class),
            Err(mistake) => mistakes.push(format!("class `{name}`: {mistake}")),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    found.sort_by(|(_, a, x), (_, b, y)| order::compare((x.sorts_as, a, x.count), (y.sorts_as, b, y.count)));
    let mut classes = Classes::default();
    for (condition, _, utility) in found {
        let into = classes.declarations(condition);
        utility.declarations.iter().for_each(|(property, value)| into.set(property, value));
    }
    classes.conditional.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(classes)
}

impl Classes {
    /// Nothing but what always holds.
    pub fn plain(base: Declarations) -> Classes {
        Classes { base, conditional: Vec::new() }
    }

    /// The same of a table: it stays one where it is shown.
    pub fn of_table(self) -> Classes {
        let conditional = self.conditional.into_iter().map(|(condition, all)| (condition, all.of_table())).collect();
        Classes { base: self.base.of_table(), conditional }
    }

    fn declarations(&mut self, condition: Condition) -> &mut Declarations {
        if condition == Condition::default() {
            return &mut self.base;
        }
        let at = self.conditional.iter().position(|(known, _)| *known == condition).unwrap_or_else(|| {
            self.conditional.push((condition, Declarations::default()));
            self.conditional.len() - 1
        });
        &mut self.conditional[at].1
    }

    /// The class name and the rules for what depends on something; `None` if nothing does.
    pub fn rules(&self, parts: &[Part]) -> Option<(String, String)> {
        let rules: Vec<(&Condition, Declarations)> = self
            .conditional
            .iter()
            .map(|(condition, all)| (condition, all.of(parts)))
            .filter(|(_, of)| !of.is_empty())
            .collect();
        if rules.is_empty() {
            return None;
        }
        let write = |name: &str| {
            rules.iter().map(|(condition, all)| condition.rule(name, &all.important())).collect::<String>()
        };
        let name = short(&write(""));
        let css = write(&name);
        Some((name, css))
    }

    /// Of each part: the inline style, the class name, the rules.
    pub fn parts(&self) -> [(String, String, String); 3] {
        PARTS.map(|part| {
            let (name, css) = self.rules(&[part]).unwrap_or_default();
            (self.base.of(&[part]).inline(), name, css)
        })
    }
}

impl Condition {
    fn rule(&self, name: &str, body: &str) -> String {
        let hover = if self.hover { ":hover" } else { "" };
        let rule = format!(".{name}{hover}{{{body}}}");
        let mut media = Vec::new();
        media.extend(self.from.map(|px| format!("(min-width:{px}px)")));
        media.extend(self.below.map(|std::cmp::Reverse(px)| format!("(max-width:{}px)", px - 1)));
        media.extend(self.dark.then(|| "(prefers-color-scheme:dark)".to_string()));
        match media.is_empty() {
            true => rule,
            false => format!("@media {}{{{rule}}}", media.join(" and ")),
        }
    }
}

/// Takes the `sm:dark:` off a name.
fn condition(name: &str) -> Result<(Condition, &str), String> {
    let mut condition = Condition::default();
    let mut plain = name;
    let is_variant = |name: &str| !name.contains('[') || name.starts_with("min-[") || name.starts_with("max-[");
    while let Some((variant, rest)) = plain.split_once(':').filter(|(variant, _)| is_variant(variant)) {
        if let Some((side, px)) = variant.strip_suffix("px]").and_then(|width| width.split_once("-[")) {
            let px = px.parse().map_err(|_| format!("`{variant}:` needs a whole number of px"))?;
            match side {
                "max" if px == 0 => return Err(format!("no screen is narrower than `{variant}:`")),
                "max" => condition.below = Some(std::cmp::Reverse(px)),
                _ => condition.from = Some(px),
            }
            plain = rest;
            continue;
        }
        let width = |name: &str| WIDTHS.iter().find(|(known, _)| *known == name).map(|(_, px)| *px);
        match (variant, variant.strip_prefix("max-").and_then(width)) {
            ("hover", _) => condition.hover = true,
            ("dark", _) => condition.dark = true,
            (_, Some(below)) => condition.below = Some(std::cmp::Reverse(below)),
            _ => {
                let px = width(variant).ok_or_else(|| {
                    let known = ["hover", "dark", "sm", "md", "lg", "xl", "max-sm", "max-md", "max-lg", "max-xl"];
                    let hint =
                        nearest(variant, known).map_or(String::new(), |near| format!("; did you mean `{near}:`?"));
                    format!(
                        "mail clients know `hover:`, `dark:`, `sm:`, `max-sm:`, `max-[480px]:` and other widths, not `{variant}:`{hint}"
                    )
                })?;
                condition.from = Some(px);
            }
        }
        plain = rest;
    }
    Ok((condition, plain))
}

fn utility(name: &str, theme: &Theme) -> Result<Utility, String> {
    if let Some(utility) = table::utility(name, theme) {
        return Ok(utility);
    }
    if name.starts_with('!') || name.ends_with('!') {
        return Err("there is no need for `!`: what is inline wins, and what depends on something beats it".into());
    }
    if name.starts_with('-') || name.contains("[-") {
        return Err("mail clients drop negative margins and sizes; give the neighbour less".into());
    }
    if let Some((plain, _)) = name.split_once('/').filter(|(plain, _)| table::utility(plain, theme).is_some()) {
        return Err(format!(
            "Outlook ignores opacity; mix the colour and say it as `[#rrggbb]`, or `{plain}` as it is"
        ));
    }
    if let Some((_, length)) = name.split_once("-[")
        && length.strip_suffix(']').and_then(value::length).is_some()
    {
        return Err("here stand px or rem: what is relative, mail clients count in different ways".into());
    }
    if name.contains('[') {
        return Err("in brackets stand px, rem, em, % or `#rrggbb`, and nothing that mail clients do not know".into());
    }
    let names = table::names(theme);
    let near = nearest(name, names.iter().map(String::as_str));
    match (refused::reason(name), near) {
        (Some(reason), _) => Err(reason.to_string()),
        (None, Some(near)) => Err(format!("there is none; did you mean `{near}`?")),
        (None, None) => Err("there is none; docs/emails.md lists those that mail clients understand".into()),
    }
}

/// A name of a few letters, the same for the same rules.
fn short(rules: &str) -> String {
    let mut hash = rules
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut name = "s".to_string();
    for _ in 0..7 {
        name.push(char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[(hash % 36) as usize]));
        hash /= 36;
    }
    name
}
