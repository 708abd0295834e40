//! What a project says of its campaigns, as the API shows it.

use segflow_protocol::{Campaign, Conversion, Manifest, Trigger, Window};
use serde_json::{Value, json};

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// When messages of a campaign are sent and how many, with what the project says of those of all campaigns. Quiet hours are shown as the
/// window that they leave.
pub fn policies(manifest: &Manifest, campaign: &Campaign) -> Value {
    let own = campaign.windows.iter().map(|w| window(w, "campaign"));
    let windows: Vec<Value> = own.chain(manifest.windows.iter().map(|w| window(w, "project"))).collect();
    let caps = manifest.caps.iter();
    let caps: Vec<Value> = caps
        .map(|cap| json!({ "messages": cap.messages, "per_seconds": cap.per / 1_000, "beyond": cap.beyond }))
        .collect();
    json!({
        "windows": windows,
        "frequency_caps": caps,
        "per_day": campaign.per_day.as_ref().map(|daily| {
            json!({ "messages": daily.messages, "zone": daily.zone.as_deref().unwrap_or("UTC") })
        }),
        "max_age_seconds": campaign.max_age.map(|age| age / 1_000),
    })
}

fn window(window: &Window, of: &str) -> Value {
    let on = |day: &usize| window.days == 0 || window.days & (1 << day) != 0;
    let days: Vec<&str> = (0..DAYS.len()).filter(on).map(|day| DAYS[day]).collect();
    json!({
        "of": of,
        "from": clock(window.from),
        "to": clock(window.to),
        "days": days,
        "zone": window.zone,
        "or_zone": window.or_zone,
    })
}

/// Minutes after midnight.
fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// What counts for a campaign; nothing said: its goals.
pub fn conversions(campaign: &Campaign) -> Vec<Value> {
    campaign.conversions.iter().map(conversion).collect()
}

fn conversion(Conversion { on, within, value }: &Conversion) -> Value {
    let (event, filter, goal) = match on {
        Trigger::Event { name, filter } => (Some(name), filter.as_ref(), None),
        Trigger::Goal(name) => (None, None, Some(name)),
    };
    json!({
        "event": event,
        "filter": filter,
        "goal": goal,
        "within_seconds": within / 1_000,
        "value": value.as_ref().map(|path| path.join(".")),
    })
}

#[cfg(test)]
mod tests {
    use segflow_protocol::{Beyond, Cap, Daily};

    use super::*;

    #[test]
    fn policies_are_shown_with_those_of_the_project() {
        let office =
            Window { days: 0b001_1111, from: 540, to: 1_080, or_zone: Some("Europe/Berlin".into()), zone: None };
        let campaign = Campaign {
            windows: vec![office],
            per_day: Some(Daily { messages: 5_000, zone: None }),
            max_age: Some(21_600_000),
            ..Campaign::default()
        };
        let quiet = Window { from: 480, to: 1_320, zone: Some("Asia/Tokyo".into()), ..Window::default() };
        let cap = Cap { messages: 1, per: 86_400_000, beyond: Beyond::Drop };
        let manifest = Manifest { windows: vec![quiet], caps: vec![cap], ..Manifest::default() };
        let shown = policies(&manifest, &campaign);
        let own = json!({ "of": "campaign", "from": "09:00", "to": "18:00", "days": DAYS[..5], "zone": null, "or_zone": "Europe/Berlin" });
        let all = json!({ "of": "project", "from": "08:00", "to": "22:00", "days": DAYS, "zone": "Asia/Tokyo", "or_zone": null });
        assert_eq!(shown["windows"], json!([own, all]));
        assert_eq!(shown["frequency_caps"], json!([{ "messages": 1, "per_seconds": 86_400, "beyond": "drop" }]));
        assert_eq!(shown["per_day"], json!({ "messages": 5_000, "zone": "UTC" }));
        assert_eq!(shown["max_age_seconds"], 21_600);
        let none = policies(&Manifest::default(), &Campaign::default());
        assert_eq!(none, json!({ "windows": [], "frequency_caps": [], "per_day": null, "max_age_seconds": null }));
    }

    #[test]
    fn what_counts_is_shown() {
        let on = Trigger::Event { name: "purchase".into(), filter: None };
        let bought = Conversion { on, within: 86_400_000, value: Some(vec!["order".into(), "total".into()]) };
        let won = Conversion { on: Trigger::Goal("won".into()), within: Conversion::WITHIN, value: None };
        let shown = conversions(&Campaign { conversions: vec![bought, won], ..Campaign::default() });
        let bought = json!({ "event": "purchase", "filter": null, "goal": null, "within_seconds": 86_400, "value": "order.total" });
        let won = json!({ "event": null, "filter": null, "goal": "won", "within_seconds": 604_800, "value": null });
        assert_eq!(shown, [bought, won]);
    }
}
