//! Classes that exist in Tailwind and not here, because mail clients drop what they mean, with the reason.

/// The first whose name fits counts. A name that ends in `-` is a prefix.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &[
            "flex",
            "inline-flex",
            "flex-",
            "order-",
            "justify-",
            "items-",
            "self-",
            "content-",
            "place-",
            "grow",
            "shrink",
            "basis-",
        ],
        "Gmail and Outlook drop flexbox; put `<Column>`s in a `<Row>`",
    ),
    (
        &["grid", "inline-grid", "grid-", "col-", "row-", "auto-cols-", "auto-rows-", "columns-"],
        "mail clients drop grids; put `<Column>`s in a `<Row>`",
    ),
    (&["gap-", "space-x-", "space-y-"], "mail clients drop gaps; give the elements a margin or the columns a padding"),
    (
        &["absolute", "relative", "fixed", "sticky", "static", "inset-", "top-", "right-", "bottom-", "left-", "z-"],
        "mail clients drop positions, and Gmail the whole style with them; use rows, columns and padding",
    ),
    (&["float-", "clear-"], "Outlook ignores floats; put `<Column>`s in a `<Row>`"),
    (&["divide-"], "mail clients do not select by neighbours; give each element a border"),
    (
        &["shadow", "shadow-", "drop-shadow-", "text-shadow-", "inset-shadow-", "ring", "ring-", "outline-"],
        "Gmail and Outlook drop shadows; use a border",
    ),
    (&["transition", "transition-", "animate-", "duration-", "delay-", "ease-"], "mail clients do not move"),
    (
        &["transform", "rotate-", "scale-", "translate-", "skew-", "origin-", "perspective-"],
        "mail clients drop transforms",
    ),
    (
        &[
            "filter",
            "blur",
            "blur-",
            "backdrop-",
            "brightness-",
            "contrast-",
            "grayscale",
            "invert",
            "sepia",
            "saturate-",
            "mix-blend-",
            "bg-blend-",
        ],
        "mail clients drop filters",
    ),
    (
        &["bg-linear-", "bg-gradient-", "bg-radial-", "bg-conic-", "from-", "via-", "to-"],
        "Outlook drops gradients; use one colour",
    ),
    (
        &["ps-", "pe-", "ms-", "me-", "start-", "end-", "border-s", "border-e", "rounded-s", "rounded-e"],
        "mail clients do not know logical sides; say left and right (`pl-`, `mr-`, `border-l`)",
    ),
    (&["opacity-"], "Outlook ignores opacity; mix the colour and say it as `[#rrggbb]`"),
    (&["object-", "aspect-"], "Outlook and Gmail drop it; give the image its width and height"),
    (&["overflow-x-", "overflow-y-", "overflow-auto", "overflow-scroll"], "a mail does not scroll inside"),
    (
        &[
            "cursor-",
            "select-",
            "pointer-events-",
            "resize",
            "scroll-",
            "snap-",
            "touch-",
            "will-change-",
            "appearance-",
        ],
        "a mail is not a page that one operates",
    ),
    (&["container"], "it depends on the window; use `<Container class=\"max-w-…\">`"),
    (
        &["sr-only", "not-sr-only", "visible", "invisible", "collapse"],
        "mail clients drop it; say `html_only` or leave it out",
    ),
];

pub fn reason(name: &str) -> Option<&'static str> {
    let fits = |pattern: &&str| match pattern.ends_with('-') {
        true => name.starts_with(*pattern),
        false => {
            name == *pattern
                || name.strip_prefix(*pattern).is_some_and(|rest| rest.starts_with('-') && pattern.len() > 7)
        }
    };
    REFUSED.iter().find(|(names, _)| names.iter().any(fits)).map(|(_, reason)| *reason)
}
