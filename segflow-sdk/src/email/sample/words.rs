//! What a value of a name probably is.

/// The text of a field called `name`; `nth` tells the elements of a list apart. The last word of the name says the most.
pub fn text(name: &str, nth: usize) -> String {
    let pick = |of: &[&str]| of[nth % of.len()].to_string();
    let lower = separated(name);
    let words: Vec<&str> = lower.split(' ').filter(|word| !word.is_empty()).collect();
    let last = words.last().copied().unwrap_or_default();
    let has = |word: &str| words.contains(&word);
    match last {
        "email" | "mail" | "address" if has("email") || has("mail") => {
            pick(&["ada@example.com", "grace@example.com", "alan@example.com"])
        }
        "surname" | "lastname" => pick(&["Lovelace", "Hopper", "Turing"]),
        "name" if has("last") || has("family") => pick(&["Lovelace", "Hopper", "Turing"]),
        "name" if has("company") || has("team") || has("shop") || has("workspace") => pick(&["Analytical Engines"]),
        "name" if has("product") || has("item") || has("plan") => pick(&["Blue mug", "Tea towel", "Oak shelf"]),
        "username" | "name" | "firstname" | "nickname" | "user" | "person" | "author" | "sender" => {
            pick(&["Ada", "Grace", "Alan"])
        }
        "url" | "link" | "href" | "website" if has("image") || has("picture") || has("avatar") => image(),
        "image" | "picture" | "photo" | "avatar" | "logo" | "icon" | "src" => image(),
        "url" | "link" | "href" | "website" => {
            pick(&["https://example.com/one", "https://example.com/two", "https://example.com/three"])
        }
        "zone" | "timezone" => "Europe/Paris".into(),
        "locale" | "lang" | "language" => "en".into(),
        "currency" => "EUR".into(),
        "country" => pick(&["Portugal", "Norway", "Japan"]),
        "city" | "town" => pick(&["Lisbon", "Oslo", "Kyoto"]),
        "street" => "12 Market Lane".into(),
        "phone" => "+44 20 7946 0123".into(),
        "at" | "time" | "timestamp" => "2026-03-14T09:30:00Z".into(),
        "date" | "day" | "on" | "birthday" => "2026-03-14".into(),
        "id" | "number" | "reference" | "sku" => pick(&["A-1042", "A-1043", "A-1044"]),
        "code" | "token" | "pin" => "482913".into(),
        "subject" | "title" | "headline" | "heading" => {
            pick(&["What is new this week", "Three things to read", "From the workshop"])
        }
        "item" | "items" | "product" | "products" => pick(&["Blue mug", "Tea towel", "Oak shelf"]),
        "body" | "text" | "message" | "note" | "summary" | "description" | "comment" => {
            pick(&["A sentence or two, as long as such a text usually is, to see how it fills its lines."])
        }
        _ => sentence(&words, nth),
    }
}

/// The words of `orderId`, `order_id` and `order-id`.
fn separated(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        match c {
            c if c.is_uppercase() => words.extend([' ', c.to_ascii_lowercase()]),
            c if c.is_alphanumeric() => words.push(c),
            _ => words.push(' '),
        }
    }
    words
}

fn image() -> String {
    "https://example.com/picture.png".into()
}

/// The name itself, as words.
fn sentence(words: &[&str], nth: usize) -> String {
    let mut text = words.join(" ");
    if let Some(first) = text.get(..1).map(str::to_ascii_uppercase) {
        text.replace_range(..1, &first);
    }
    if text.is_empty() {
        "Text".into()
    } else if nth == 0 {
        text
    } else {
        format!("{text} {}", nth + 1)
    }
}

/// The number of a field called `name`.
pub fn number(name: &str, nth: usize) -> f64 {
    let lower = separated(name);
    let last = lower.rsplit(' ').next().unwrap_or_default();
    let first = match last {
        "percent" | "percentage" | "discount" => 20.0,
        "cents" | "pence" => 2_450.0,
        "year" => 2026.0,
        "month" => 3.0,
        "price" | "amount" | "total" | "value" | "sum" | "cost" | "balance" | "revenue" => 24.5,
        "age" => 36.0,
        "minutes" => 30.0,
        "hours" => 24.0,
        "at" | "time" | "timestamp" => return 1_773_480_600.0,
        _ => 3.0,
    };
    first + nth as f64
}

/// What a text may have to be, if the type does not take the one of its name.
pub const OTHERS: [&str; 9] = [
    "2026-03-14T09:30:00Z",
    "2026-03-14",
    "2026-03-14T09:30:00",
    "09:30:00",
    "24.50",
    "7",
    "https://example.com/",
    "00000000-0000-4000-8000-000000000001",
    "Europe/Paris",
];
