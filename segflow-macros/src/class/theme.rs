//! The project's own colours, fonts and sizes: `[package.metadata.segflow.theme]` of its Cargo.toml.

use std::collections::BTreeMap;

/// What a project adds to Tailwind's theme, or replaces in it.
#[derive(Debug, Default, Clone)]
pub struct Theme {
    /// `brand = "#0f766e"` makes `bg-brand`, `text-brand`, `border-brand`.
    pub colors: BTreeMap<String, String>,
    /// `sans = "Inter, Arial, sans-serif"` makes or replaces `font-sans`.
    pub fonts: BTreeMap<String, String>,
    /// `card = "24px"` makes `p-card`, `mt-card`, `w-card`.
    pub spacing: BTreeMap<String, String>,
    /// `card = "10px"` makes `rounded-card`.
    pub radius: BTreeMap<String, String>,
}

impl Theme {
    /// The theme of the crate that is being compiled.
    pub fn of_project() -> Result<Theme, String> {
        let Some(dir) = std::env::var_os("CARGO_MANIFEST_DIR") else { return Ok(Theme::default()) };
        match std::fs::read_to_string(std::path::Path::new(&dir).join("Cargo.toml")) {
            Ok(manifest) => Theme::read(&manifest).map_err(|why| format!("the theme in Cargo.toml: {why}")),
            Err(_) => Ok(Theme::default()),
        }
    }

    pub fn read(manifest: &str) -> Result<Theme, String> {
        let manifest: toml::Table = manifest.parse().map_err(|e: toml::de::Error| e.message().to_string())?;
        let table = ["package", "metadata", "segflow", "theme"]
            .iter()
            .try_fold(&manifest, |table, key| table.get(*key).and_then(toml::Value::as_table));
        let mut theme = Theme::default();
        for (key, values) in table.into_iter().flatten() {
            let (into, check): (_, fn(&str) -> bool) = match key.as_str() {
                "colors" => (&mut theme.colors, is_color),
                "fonts" => (&mut theme.fonts, is_font),
                "spacing" => (&mut theme.spacing, is_px),
                "radius" => (&mut theme.radius, is_px),
                _ => return Err(format!("there is no `{key}`; it has `colors`, `fonts`, `spacing` and `radius`")),
            };
            for (name, value) in values.as_table().ok_or(format!("`{key}` is a table of names and values"))? {
                let value = value.as_str().filter(|value| check(value)).ok_or(format!(
                    "`{key}.{name}` is not what mail clients read: colours are \"#rrggbb\", sizes \"12px\", fonts a list of families"
                ))?;
                into.insert(name.clone(), value.to_string());
            }
        }
        Ok(theme)
    }
}

/// `#abc` or `#aabbcc`.
pub fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_font(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || " ,-'_".contains(c))
}

fn is_px(text: &str) -> bool {
    text.strip_suffix("px").is_some_and(|number| number.parse::<f64>().is_ok_and(|px| px >= 0.0))
}

#[cfg(test)]
mod tests {
    use super::Theme;

    #[test]
    fn a_theme_is_read_and_its_mistakes_are_named() {
        let theme = Theme::read("[package.metadata.segflow.theme]\ncolors = { brand = \"#0f766e\" }\n").expect("good");
        assert_eq!(theme.colors["brand"], "#0f766e");
        assert!(Theme::read("[package]\nname = \"x\"").expect("none").colors.is_empty());
        let read = |line: &str| Theme::read(&format!("[package.metadata.segflow.theme]\n{line}")).expect_err(line);
        assert!(read("colours = {}").contains("there is no `colours`"));
        assert!(read("colors = { brand = \"oklch(1 0 0)\" }").contains("`colors.brand`"));
        assert!(read("fonts = { sans = \"a;color:red\" }").contains("`fonts.sans`"));
    }
}
