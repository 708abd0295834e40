//! Names as serde's `rename_all` makes them, and snake case for the names of events.

/// Serde's rules, for fields: what they are called, by their names in snake case.
pub const RULES: [&str; 8] = [
    "lowercase",
    "UPPERCASE",
    "PascalCase",
    "camelCase",
    "snake_case",
    "SCREAMING_SNAKE_CASE",
    "kebab-case",
    "SCREAMING-KEBAB-CASE",
];

/// The name of a field under one of [`RULES`].
pub fn rename(rule: &str, field: &str) -> String {
    let pascal = || field.split('_').map(capital).collect::<String>();
    match rule {
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => field.to_ascii_uppercase(),
        "PascalCase" => pascal(),
        "camelCase" => {
            let pascal = pascal();
            let first = pascal.chars().next().map(|c| c.to_ascii_lowercase());
            first.into_iter().chain(pascal.chars().skip(1)).collect()
        }
        "kebab-case" => field.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => field.to_ascii_uppercase().replace('_', "-"),
        _ => field.to_string(),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// `OrderPaid` is `order_paid`, `HTTPError` is `http_error`.
pub fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (i, c) in letters.iter().enumerate() {
        let after_lower = i > 0 && !letters[i - 1].is_uppercase() && letters[i - 1] != '_';
        let word_begins = i > 0 && letters[i - 1] != '_' && letters.get(i + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || word_begins) {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_renamed_as_serde_renames_them() {
        let renamed: Vec<String> = RULES.iter().map(|rule| rename(rule, "order_id")).collect();
        let expected = ["order_id", "ORDER_ID", "OrderId", "orderId", "order_id", "ORDER_ID", "order-id", "ORDER-ID"];
        assert_eq!(renamed, expected);
    }

    #[test]
    fn event_names_are_snake_case() {
        for (name, snaked) in [
            ("Purchase", "purchase"),
            ("OrderPaid", "order_paid"),
            ("HTTPError", "http_error"),
            ("V2Login", "v2_login"),
        ] {
            assert_eq!(snake(name), snaked);
        }
    }
}
