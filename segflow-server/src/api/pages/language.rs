//! Which language a reader is shown.

use std::collections::BTreeMap;

use segflow_protocol::Texts;

/// The words of the language that a browser likes best, of those there are, and which one that is. English is always there.
pub fn choose(accepted: &str, given: &BTreeMap<String, Texts>) -> (String, Texts) {
    for wanted in by_weight(accepted) {
        // `de-AT` is content with `de`.
        let mut tag = wanted.as_str();
        loop {
            let same = |(known, _): &(&String, &Texts)| known.eq_ignore_ascii_case(tag);
            if let Some((known, texts)) = given.iter().find(same) {
                return (known.clone(), texts.clone());
            }
            match tag.rsplit_once('-') {
                Some((shorter, _)) => tag = shorter,
                None => break,
            }
        }
        if tag.eq_ignore_ascii_case("en") {
            break;
        }
    }
    ("en".into(), given.get("en").cloned().unwrap_or_default())
}

/// The tags of an `Accept-Language`, the most wanted first.
fn by_weight(accepted: &str) -> Vec<String> {
    let part = |part: &str| {
        let mut parts = part.split(';').map(str::trim);
        let tag = parts.next().filter(|tag| !tag.is_empty() && *tag != "*")?.to_string();
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())?;
        (weight > 0.0).then_some((tag, weight))
    };
    let mut wanted: Vec<(String, f32)> = accepted.split(',').take(50).filter_map(part).collect();
    wanted.sort_by(|a, b| b.1.total_cmp(&a.1));
    wanted.into_iter().map(|(tag, _)| tag).collect()
}

/// Whether a language is written from right to left.
pub fn is_rtl(language: &str) -> bool {
    let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    ["ar", "he", "fa", "ur", "yi", "ps", "sd", "ug", "dv", "ckb"].contains(&primary.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_choice_of_what_there_is() {
        let texts = |word| Texts { save: word, ..Texts::english() }.to_owned();
        let given: BTreeMap<String, Texts> =
            [("de", "Speichern"), ("pt-BR", "Salvar")].map(|(lang, word)| (lang.to_string(), texts(word))).into();
        for (accepted, lang, word) in [
            ("de", "de", "Speichern"),
            ("de-AT,de;q=0.9,en;q=0.8", "de", "Speichern"),
            ("fr-CA, pt-br;q=0.5, en;q=0.1", "pt-BR", "Salvar"),
            ("en-GB,en;q=0.9,de;q=0.8", "en", "Save"),
            ("de;q=0.2, en;q=0.7", "en", "Save"),
            ("de;q=0", "en", "Save"),
            ("pt-PT", "en", "Save"),
            ("", "en", "Save"),
            ("*", "en", "Save"),
            (";;q=x,,-", "en", "Save"),
        ] {
            let (chosen, texts) = choose(accepted, &given);
            assert_eq!((chosen.as_str(), texts.save.as_str()), (lang, word), "{accepted}");
        }
        assert!(is_rtl("he") && is_rtl("ar-EG") && !is_rtl("de"));
    }
}
