//! Declarations that were put in order, and how they are written into a `style` attribute.

/// Properties and values, each property once, sides and corners apart.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Declarations(Vec<(String, String)>);

/// Where a declaration goes when an element of ours becomes several of HTML: a table, its cell, a link in the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Widths, margins, and whether it is shown: the table around.
    Frame,
    /// Background, border, corners: the cell.
    Box,
    /// Padding and everything about words.
    Content,
}

pub const PARTS: [Part; 3] = [Part::Frame, Part::Box, Part::Content];

const SIDES: [&str; 4] = ["top", "right", "bottom", "left"];
const CORNERS: [&str; 4] = ["top-left", "top-right", "bottom-right", "bottom-left"];

impl Part {
    fn of(property: &str) -> Part {
        match property {
            "width" | "max-width" | "min-width" | "display" => Part::Frame,
            margin if margin.starts_with("margin") => Part::Frame,
            "background-color" | "overflow" => Part::Box,
            "border-collapse" => Part::Frame,
            border if border.starts_with("border") => Part::Box,
            _ => Part::Content,
        }
    }
}

impl Declarations {
    /// From `margin:0 0 16px;font-size:16px`, as the components say what they look like without classes.
    pub fn read(css: &str) -> Declarations {
        let mut declarations = Declarations::default();
        for (property, value) in css.split(';').filter_map(|declaration| declaration.split_once(':')) {
            match property {
                "margin" | "padding" | "border-width" | "border-color" => {
                    let (start, end) = property.split_at(property.find('-').unwrap_or(property.len()));
                    let values: Vec<&str> = value.split(' ').collect();
                    for (i, side) in SIDES.iter().enumerate() {
                        let value = values.get(i).or(values.get(i.saturating_sub(2))).or(values.first());
                        declarations.set(&format!("{start}-{side}{end}"), value.copied().unwrap_or_default());
                    }
                }
                "border-radius" => {
                    CORNERS.iter().for_each(|corner| declarations.set(&format!("border-{corner}-radius"), value));
                }
                _ => declarations.set(property, value),
            }
        }
        declarations
    }

    /// The last one counts.
    pub fn set(&mut self, property: &str, value: &str) {
        self.0.retain(|(known, _)| known != property);
        self.0.push((property.to_string(), value.to_string()));
    }

    pub fn get(&self, property: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == property).map(|(_, value)| value.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn and(mut self, later: &Declarations) -> Declarations {
        later.0.iter().for_each(|(property, value)| self.set(property, value));
        self
    }

    /// The same of a table: it stays one where it is shown.
    pub fn of_table(mut self) -> Declarations {
        for (_, value) in self.0.iter_mut().filter(|(property, _)| property == "display") {
            match value.as_str() {
                "block" => *value = "table".into(),
                "inline-block" | "inline" => *value = "inline-table".into(),
                _ => {}
            }
        }
        self
    }

    pub fn of(&self, parts: &[Part]) -> Declarations {
        Declarations(self.0.iter().filter(|(property, _)| parts.contains(&Part::of(property))).cloned().collect())
    }

    /// Every declaration by itself, by name.
    #[cfg(test)]
    pub fn sorted(&self) -> String {
        let mut all: Vec<String> =
            self.with_solid_borders().0.iter().map(|(property, value)| format!("{property}:{value}")).collect();
        all.sort();
        all.join(";")
    }

    /// As a `style` attribute: sides that belong together in one declaration, which Outlook reads best.
    pub fn inline(&self) -> String {
        let mut rest = self.with_solid_borders();
        let mut out = Vec::new();
        for property in ["margin", "padding"] {
            if let Some(sides) = rest.take_all(&SIDES.map(|side| format!("{property}-{side}"))) {
                out.push(format!("{property}:{}", shorthand(&sides)));
            }
        }
        out.extend(rest.borders());
        if let Some(corners) = rest.take_all(&CORNERS.map(|corner| format!("border-{corner}-radius"))) {
            out.push(format!("border-radius:{}", shorthand(&corners)));
        }
        for (property, value) in &rest.0 {
            match (property.as_str(), value.as_str()) {
                ("display", "none") => out.push("display:none;mso-hide:all".to_string()),
                (property, value) => out.push(format!("{}:{value}", written(property))),
            }
        }
        out.join(";")
    }

    /// As the body of a rule that beats what is inline.
    pub fn important(&self) -> String {
        let mut rest = self.with_solid_borders();
        let mut all = Vec::new();
        for whole in ["margin", "padding", "border-width", "border-style", "border-color"] {
            let (start, end) =
                whole.split_once('-').map_or((whole, String::new()), |(start, end)| (start, format!("-{end}")));
            if let Some(sides) = rest.take_all(&SIDES.map(|side| format!("{start}-{side}{end}"))) {
                all.push((whole.to_string(), shorthand(&sides)));
            }
        }
        all.extend(rest.0.into_iter().map(|(property, value)| (written(&property).to_string(), value)));
        all.iter().map(|(property, value)| format!("{property}:{value}!important")).collect::<Vec<_>>().join(";")
    }

    /// A border with a width and no style is solid.
    fn with_solid_borders(&self) -> Declarations {
        let mut solid = self.clone();
        for side in SIDES {
            let style = format!("border-{side}-style");
            if self.get(&format!("border-{side}-width")).is_some() && self.get(&style).is_none() {
                solid.set(&style, "solid");
            }
        }
        solid
    }

    /// One `border`, or those of the sides that have one.
    fn borders(&mut self) -> Vec<String> {
        let mut sides = Vec::new();
        for side in SIDES {
            let Some(width) = self.take(&format!("border-{side}-width")) else { continue };
            let style = self.take(&format!("border-{side}-style")).unwrap_or_default();
            let color = self.take(&format!("border-{side}-color"));
            let border = match (width.as_str(), color) {
                ("0", _) => "0".to_string(),
                (width, Some(color)) => format!("{width} {style} {color}"),
                (width, None) => format!("{width} {style}"),
            };
            sides.push((side, border));
        }
        if !sides.is_empty() {
            // What is said of sides without a width shows nothing.
            self.0.retain(|(property, _)| {
                !property.starts_with("border-") || property.contains("radius") || property == "border-collapse"
            });
        }
        match &sides[..] {
            [(_, first), rest @ ..] if rest.len() == 3 && rest.iter().all(|(_, border)| border == first) => {
                vec![format!("border:{first}")]
            }
            _ => sides.into_iter().map(|(side, border)| format!("border-{side}:{border}")).collect(),
        }
    }

    fn take(&mut self, property: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == property)?;
        Some(self.0.remove(at).1)
    }

    /// The values of all these properties, if every one of them is there.
    fn take_all(&mut self, properties: &[String; 4]) -> Option<[String; 4]> {
        let there = properties.iter().all(|property| self.get(property).is_some());
        there.then(|| properties.each_ref().map(|property| self.take(property).unwrap_or_default()))
    }
}

/// The name that most clients know a property by.
fn written(property: &str) -> &str {
    match property {
        "text-decoration-line" => "text-decoration",
        "overflow-wrap" => "word-wrap",
        property => property,
    }
}

/// Four values as few.
fn shorthand([top, right, bottom, left]: &[String; 4]) -> String {
    match (top == bottom, right == left) {
        (true, true) if top == right => top.clone(),
        (true, true) => format!("{top} {right}"),
        (false, true) => format!("{top} {right} {bottom}"),
        _ => format!("{top} {right} {bottom} {left}"),
    }
}
