use super::style::Part;
use super::theme::Theme;
use super::{Classes, resolve};

fn classes(names: &str) -> Classes {
    resolve(names, &Theme::default()).unwrap_or_else(|mistakes| panic!("{names}: {mistakes:?}"))
}

fn inline(names: &str) -> String {
    classes(names).base.inline()
}

fn mistake(name: &str) -> String {
    resolve(name, &Theme::default()).expect_err(name).remove(0)
}

#[test]
fn names_become_px_and_hex() {
    assert_eq!(inline("max-w-[465px] mx-auto p-5"), "padding:20px;margin-left:auto;margin-right:auto;max-width:465px");
    assert_eq!(inline("border border-[#eaeaea] rounded"), "border:1px solid #eaeaea;border-radius:4px");
    assert_eq!(inline("text-sm text-slate-600"), "font-size:14px;line-height:20px;color:#45556c");
    assert_eq!(
        inline("bg-black text-white rounded px-5 py-3"),
        "padding:12px 20px;border-radius:4px;background-color:#000000;color:#ffffff"
    );
    assert_eq!(inline("tracking-[-0.5px]"), "letter-spacing:-0.5px");
    assert_eq!(inline("break-words underline"), "word-wrap:break-word;text-decoration:underline");
    assert_eq!(inline("border-t border-gray-200"), "border-top:1px solid #e5e7eb");
    assert_eq!(
        inline("w-1/3 h-px leading-6 tracking-tight"),
        "height:1px;width:33.3333%;line-height:24px;letter-spacing:-0.025em"
    );
}

#[test]
fn the_order_in_the_string_does_not_matter() {
    for (a, b) in [
        ("px-2 p-4", "p-4 px-2"),
        ("p-10 p-4", "p-4 p-10"),
        ("leading-8 text-sm", "text-sm leading-8"),
        ("border-b-2 border", "border border-b-2"),
    ] {
        assert_eq!(inline(a), inline(b));
    }
    assert_eq!(inline("p-10 p-4"), "padding:40px");
    assert_eq!(inline("px-2 p-4"), "padding:16px 8px");
}

#[test]
fn what_depends_on_something_goes_to_the_head() {
    let (name, css) = classes("p-2 dark:bg-black sm:p-4 hover:underline dark:hover:text-white")
        .rules(&[Part::Frame, Part::Box, Part::Content])
        .expect("rules");
    let expected = ".N:hover{text-decoration:underline!important}@media (min-width:640px){.N{padding:16px!important}}\
        @media (prefers-color-scheme:dark){.N{background-color:#000000!important}}@media (prefers-color-scheme:dark){.N:hover{color:#ffffff!important}}";
    assert_eq!(css, expected.replace('N', &name));
    let css = classes("max-[480px]:break-words min-[480px]:p-2").rules(&[Part::Content]).expect("rules").1;
    assert!(css.contains("@media (max-width:479px)") && css.contains("{word-wrap:break-word!important}"), "{css}");
    assert!(css.contains("@media (min-width:480px)"), "{css}");
    assert!(mistake("max-[30rem]:p-2").contains("not `max-[30rem]:`"), "{}", mistake("max-[30rem]:p-2"));
    assert!(classes("p-2").rules(&[Part::Content]).is_none());
    assert_eq!(
        classes("max-sm:p-2").rules(&[Part::Content]).expect("rules").1.split('{').next(),
        Some("@media (max-width:639px)")
    );
}

#[test]
fn mistakes_say_what_to_do() {
    assert!(mistake("text-cetner").ends_with("did you mean `text-center`?"), "{}", mistake("text-cetner"));
    assert!(mistake("bg-slat-600").ends_with("did you mean `bg-slate-600`?"), "{}", mistake("bg-slat-600"));
    assert!(mistake("flex").contains("`<Row>`"));
    assert!(mistake("grid-cols-2").contains("`<Row>`"));
    assert!(mistake("absolute").contains("positions"));
    for negative in [
        "-mt-4",
        "mt-[-16px]",
        "p-[-4px]",
        "w-[-5px]",
        "text-[-3px]",
        "border-[-1px]",
        "rounded-[-1px]",
        "leading-[-2px]",
    ] {
        assert!(mistake(negative).contains("negative"), "{negative}: {}", mistake(negative));
    }
    for relative in ["text-[1.5em]", "border-[1em]", "border-t-[10%]", "tracking-[10%]", "text-[120%]"] {
        assert!(mistake(relative).contains("here stand px or rem"), "{relative}: {}", mistake(relative));
    }
    assert!(mistake("max-[0px]:p-2").contains("narrower"));
    assert!(mistake("bg-black/50").contains("opacity"));
    assert!(mistake("p-[3vw]").contains("brackets"));
    assert!(mistake("darc:p-2").contains("`dark:`"));
    assert!(mistake("bg-[red;}]").contains("brackets"));
}

#[test]
fn a_theme_adds_names() {
    let theme = Theme::read("[package.metadata.segflow.theme]\ncolors = { brand = \"#0f766e\", pale = \"#AbC\" }\nspacing = { card = \"28px\" }\nradius = { card = \"10px\" }\nfonts = { head = \"Georgia, serif\" }").expect("good");
    let style = resolve("bg-brand p-card rounded-card font-head", &theme).expect("known").base.inline();
    assert_eq!(style, "padding:28px;border-radius:10px;background-color:#0f766e;font-family:Georgia, serif");
    assert_eq!(resolve("text-pale", &theme).expect("known").base.inline(), "color:#aabbcc", "Outlook reads six digits");
}

#[test]
fn everything_that_is_suggested_exists() {
    let theme = Theme::default();
    for name in super::table::names(&theme) {
        assert!(super::table::utility(&name, &theme).is_some(), "{name}");
    }
}

/// The classes and their meanings, or reasons, of a file.
fn lines(file: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

const TAILWIND: &str = include_str!("tailwind.txt");

/// As the file says it: what it depends on, and every declaration by itself.
fn meaning(classes: &Classes) -> String {
    match &classes.conditional[..] {
        [(condition, all)] => {
            let rule = condition.rule("", "");
            let media = rule.strip_prefix("@media ").and_then(|rest| rest.split_once('{'));
            let media = media.map_or(String::new(), |(media, _)| format!("@media {media} "));
            format!("{media}{}{}", if condition.hover { ":hover " } else { "" }, all.sorted())
        }
        _ => classes.base.sorted(),
    }
}

#[test]
fn classes_mean_what_tailwind_says() {
    let mut meant: Vec<&str> = lines(include_str!("differences.txt")).map(|(names, _)| names).collect();
    let mut differences = vec![];
    for (names, expected) in lines(TAILWIND) {
        let found = match resolve(names, &Theme::default()) {
            Ok(classes) => meaning(&classes),
            Err(mistakes) => mistakes.join(" "),
        };
        if found != expected && meant.extract_if(.., |known| *known == names).next().is_none() {
            differences.push(format!("{names}\n  theirs {expected}\n  ours   {found}"));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(meant.is_empty(), "the same as Tailwind, or not compared: {meant:?}");
}

#[test]
fn every_class_is_held_against_tailwind() {
    let theme = Theme::default();
    let compared: Vec<&str> = lines(TAILWIND).map(|(names, _)| names).filter(|names| !names.contains(' ')).collect();
    // One of a family stands for all: those that set the same and are sorted by the same.
    let family = |name: &str| {
        let utility = super::table::utility(name, &theme)?;
        let properties: Vec<&str> = utility.declarations.iter().map(|(property, _)| *property).collect();
        Some((utility.sorts_as, properties))
    };
    let families: Vec<_> = compared.iter().filter_map(|name| family(name)).collect();
    let alone =
        super::table::names(&theme).into_iter().filter(|name| !family(name).is_some_and(|of| families.contains(&of)));
    assert_eq!(alone.collect::<Vec<_>>(), Vec::<String>::new(), "no one of their family is compared");
    let words = super::table::WORDS.iter().map(|(word, ..)| *word).filter(|word| !compared.contains(word));
    assert_eq!(words.collect::<Vec<_>>(), Vec::<&str>::new(), "they are words of their own");
    let variants = ["hover", "dark"]
        .into_iter()
        .map(String::from)
        .chain(super::WIDTHS.iter().flat_map(|(width, _)| [width.to_string(), format!("max-{width}")]));
    for variant in variants.chain(["min-[480px]".to_string(), "max-[480px]".to_string()]) {
        assert!(compared.iter().any(|name| name.starts_with(&format!("{variant}:"))), "{variant}");
    }
}
