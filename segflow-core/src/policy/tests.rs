use std::collections::BTreeMap;

use jiff::Timestamp;
use segflow_protocol::{Campaign, Guarantee, Manifest, Transaction};

use super::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const BERLIN: Option<&str> = Some("Europe/Berlin");

fn ms(time: &str) -> i64 {
    time.parse::<Timestamp>().expect("a time").as_millisecond()
}

fn hours(from: u16, to: u16) -> Window {
    Window { from: from * 60, to: to * 60, ..Window::default() }
}

fn workdays(from: u16, to: u16) -> Window {
    Window { days: 0b001_1111, ..hours(from, to) }
}

fn project(windows: Vec<Window>, caps: Vec<Cap>, campaign: Campaign) -> Project {
    let manifest = Manifest { windows, caps, campaigns: vec![campaign], ..Manifest::default() };
    Project::new("dep", 1, manifest, BTreeMap::new(), 0)
}

fn campaign(windows: Vec<Window>) -> Campaign {
    Campaign { id: "c".into(), windows, ..Campaign::default() }
}

fn about(zone: Option<&'static str>) -> About<'static> {
    About { campaign: "c", zone, created_at: 0 }
}

/// When a message is sent that is looked at at an instant.
#[track_caller]
fn opens_at(project: &Project, zone: Option<&'static str>, now: &str, then: &str) {
    let at = match decide(project, about(zone), Before::default(), ms(now)) {
        Decision::Send => ms(now),
        Decision::Wait(at, why) => {
            assert_eq!(why, "waits for its sending window");
            at
        }
        Decision::Drop(why) => panic!("{why}"),
    };
    assert_eq!(Timestamp::from_millisecond(at).expect("in range").to_string(), then);
    assert_eq!(decide(project, about(zone), Before::default(), at), Decision::Send, "and then it goes");
}

#[test]
fn without_policies_everything_is_sent() {
    let project = project(vec![], vec![], campaign(vec![]));
    assert_eq!(decide(&project, about(None), Before { user: &[0; 99], today: None }, 5), Decision::Send);
    let gone = About { campaign: "gone", ..about(None) };
    assert_eq!(decide(&project, gone, Before::default(), 5), Decision::Send);
    assert_eq!(looks_back(&project), None);
}

#[test]
fn a_window_is_in_the_users_zone() {
    let office = project(vec![], vec![], campaign(vec![workdays(9, 17)]));
    opens_at(&office, BERLIN, "2026-01-02T08:00:00Z", "2026-01-02T08:00:00Z");
    opens_at(&office, BERLIN, "2026-01-02T07:59:59Z", "2026-01-02T08:00:00Z");
    // Friday at five is Monday at nine.
    opens_at(&office, BERLIN, "2026-01-02T16:00:00Z", "2026-01-05T08:00:00Z");
    opens_at(&office, None, "2026-01-02T16:00:00Z", "2026-01-02T16:00:00Z");
    let mut fallback = workdays(9, 17);
    fallback.or_zone = Some("America/New_York".into());
    let fallback = project(vec![], vec![], campaign(vec![fallback]));
    opens_at(&fallback, None, "2026-01-02T12:00:00Z", "2026-01-02T14:00:00Z");
    opens_at(&fallback, Some("Mars/Olympus"), "2026-01-02T12:00:00Z", "2026-01-02T14:00:00Z");
    opens_at(&fallback, BERLIN, "2026-01-02T12:00:00Z", "2026-01-02T12:00:00Z");
}

#[test]
fn a_window_opens_by_the_clock_on_the_wall_when_summer_time_comes_and_goes() {
    let nine = project(vec![], vec![], campaign(vec![hours(9, 17)]));
    opens_at(&nine, BERLIN, "2026-03-28T17:00:00Z", "2026-03-29T07:00:00Z");
    opens_at(&nine, BERLIN, "2026-10-24T17:00:00Z", "2026-10-25T08:00:00Z");
    // 02:30 does not exist on the one day: it is as much later.
    let night = Window { from: 150, to: 300, ..Window::default() };
    let night = project(vec![], vec![], campaign(vec![night]));
    opens_at(&night, BERLIN, "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z");
}

#[test]
fn quiet_hours_of_the_project_and_windows_of_the_campaign_hold_together() {
    // Quiet from 22 to 8 is open from 8 to 22.
    let both = project(vec![hours(8, 22)], vec![], campaign(vec![hours(20, 10)]));
    opens_at(&both, None, "2026-01-02T12:00:00Z", "2026-01-02T20:00:00Z");
    opens_at(&both, None, "2026-01-02T22:00:00Z", "2026-01-03T08:00:00Z");
    opens_at(&both, None, "2026-01-03T09:59:00Z", "2026-01-03T09:59:00Z");
    let weekend = Window { days: 0b110_0000, ..hours(0, 24) };
    let rare = project(vec![hours(8, 22)], vec![], campaign(vec![weekend]));
    opens_at(&rare, None, "2026-01-04T23:00:00Z", "2026-01-10T08:00:00Z");
}

#[test]
fn too_old_is_too_late_even_while_it_waits() {
    let mut campaign = campaign(vec![hours(9, 17)]);
    campaign.max_age = Some(2 * HOUR);
    let project = project(vec![], vec![], campaign);
    let created_at = ms("2026-01-02T16:30:00Z");
    let at = |now: i64| decide(&project, About { created_at, ..about(None) }, Before::default(), now);
    assert_eq!(at(created_at), Decision::Send);
    // It does not wait for a morning that it will not see.
    let expires = created_at + 2 * HOUR;
    assert_eq!(at(created_at + HOUR), Decision::Wait(expires, "waits for its sending window".into()));
    assert_eq!(at(expires), Decision::Drop("too late to be sent: it is older than 2 hours".into()));
}

#[test]
fn a_transaction_may_be_too_old_and_knows_nothing_else() {
    let mut project = project(vec![hours(9, 17)], vec![cap(1, DAY, Beyond::Drop)], campaign(vec![]));
    let transaction = |id: &str, max_age| Transaction {
        id: id.into(),
        event: "asked".into(),
        template: "reset".into(),
        argument: "asked".into(),
        guarantee: Guarantee::AtLeastOnce,
        max_age,
    };
    project.manifest.transactions = vec![transaction("reset", Some(HOUR)), transaction("receipt", None)];
    let at = |id: &str, now: i64| of_transaction(&project, id, 0, now);
    assert_eq!((at("reset", 0), at("reset", HOUR - 1)), (Decision::Send, Decision::Send));
    assert_eq!(at("reset", HOUR), Decision::Drop("too late to be sent: it is older than 1 hour".into()));
    assert_eq!((at("receipt", 99 * DAY), at("gone", 99 * DAY)), (Decision::Send, Decision::Send));
}

fn cap(messages: u32, per: i64, beyond: Beyond) -> Cap {
    Cap { messages, per, beyond }
}

#[test]
fn a_cap_counts_any_span_of_time() {
    let project = project(vec![], vec![cap(2, 7 * DAY, Beyond::Wait)], campaign(vec![]));
    assert_eq!(looks_back(&project), Some(7 * DAY));
    let now = 100 * DAY;
    let at = |user: &[i64]| decide(&project, about(None), Before { user, today: None }, now);
    assert_eq!(at(&[]), Decision::Send);
    assert_eq!(at(&[now - DAY]), Decision::Send);
    assert_eq!(at(&[now - 7 * DAY, now - DAY]), Decision::Send, "a week ago is over");
    let why = || "waits: 2 messages in 7 days are the most for one user".to_string();
    assert_eq!(at(&[now - DAY, now - 3 * DAY]), Decision::Wait(now + 4 * DAY, why()), "until the earlier one is");
    // There were more before there was a cap.
    assert_eq!(at(&[now - DAY, now - 2 * DAY, now - 3 * DAY]), Decision::Wait(now + 5 * DAY, why()));
    assert_eq!(at(&[now, now]), Decision::Wait(now + 7 * DAY, why()), "those of this instant count");
}

#[test]
fn what_drops_goes_before_what_waits_and_the_longest_wait_counts() {
    let caps = vec![cap(1, DAY, Beyond::Wait), cap(2, 7 * DAY, Beyond::Wait), cap(3, 30 * DAY, Beyond::Drop)];
    let project = project(vec![hours(8, 22)], caps, campaign(vec![]));
    let now = ms("2026-01-20T12:00:00Z");
    let at = |user: &[i64]| decide(&project, about(None), Before { user, today: None }, now);
    assert!(matches!(at(&[now - HOUR]), Decision::Wait(until, _) if until == now + 23 * HOUR));
    // Then it is night, and it waits for the morning.
    let eve = now - 10 * HOUR;
    assert!(matches!(at(&[eve]), Decision::Wait(until, _) if until == ms("2026-01-21T08:00:00Z")));
    assert!(matches!(at(&[now - HOUR, now - 2 * DAY]), Decision::Wait(until, _) if until == now + 5 * DAY));
    let user = [now - HOUR, now - 2 * DAY, now - 20 * DAY];
    assert_eq!(at(&user), Decision::Drop("3 messages in 30 days are the most for one user".into()));
}

#[test]
fn a_day_ends_at_midnight_where_it_was_said() {
    let daily = |zone: Option<&str>| Daily { messages: 2, zone: zone.map(String::from) };
    let now = ms("2026-03-28T23:30:00Z");
    assert_eq!(day_ends(&daily(None), now), ms("2026-03-29T00:00:00Z"));
    // There it is the 29th already, which has 23 hours.
    assert_eq!(day_ends(&daily(BERLIN), now), ms("2026-03-29T22:00:00Z"));
    assert_eq!(day_ends(&daily(BERLIN), ms("2026-03-28T22:59:59Z")), ms("2026-03-28T23:00:00Z"));
    let mut campaign = campaign(vec![hours(9, 17)]);
    campaign.per_day = Some(daily(None));
    let project = project(vec![], vec![], campaign);
    let now = ms("2026-01-02T12:00:00Z");
    let at = |today| decide(&project, about(None), Before { user: &[], today }, now);
    assert_eq!(at(Some(1)), Decision::Send);
    let why = "waits for tomorrow: 2 messages a day are the most".to_string();
    assert_eq!(at(Some(2)), Decision::Wait(ms("2026-01-03T09:00:00Z"), why), "when the window opens");
    assert_eq!(at(None), Decision::Send, "one that was counted before");
}

#[test]
fn what_can_never_be_is_found() {
    let wrong = |windows: &[Window]| wrong_windows(&windows.iter().collect::<Vec<_>>());
    assert_eq!(wrong(&[workdays(9, 17), hours(8, 22)]), None);
    assert_eq!(wrong(&[hours(22, 8), hours(0, 24)]), None);
    for (windows, says) in [
        (vec![hours(9, 9)], "ends when it begins"),
        (vec![hours(24, 9)], "between 0:00 and 24:00"),
        (vec![hours(9, 25)], "between 0:00 and 24:00"),
        (vec![Window { days: 128, ..hours(9, 17) }], "no day of the week"),
        (vec![Window { zone: Some("Europe/Berln".into()), ..hours(9, 17) }], "`Europe/Berln`"),
        (vec![Window { or_zone: Some("Berlin".into()), ..hours(9, 17) }], "`Berlin`"),
        (vec![hours(9, 12), hours(12, 17)], "nothing would ever be sent"),
        (vec![workdays(9, 17), Window { days: 0b110_0000, ..hours(9, 17) }], "nothing would ever be sent"),
    ] {
        let why = wrong(&windows).unwrap_or_else(|| panic!("{windows:?} is accepted"));
        assert!(why.contains(says), "{why}");
    }
    assert_eq!(wrong_cap(&cap(1, 1, Beyond::Wait)), None);
    assert!(wrong_cap(&cap(0, DAY, Beyond::Wait)).is_some() && wrong_cap(&cap(1, 0, Beyond::Drop)).is_some());
    assert!(wrong_daily(&Daily { messages: 0, zone: None }).is_some());
    assert!(wrong_daily(&Daily { messages: 1, zone: Some("Mars".into()) }).expect("wrong").contains("`Mars`"));
}

#[test]
fn spans_are_told_in_whole_units() {
    for (ms, text) in
        [(DAY, "1 day"), (7 * DAY, "7 days"), (36 * HOUR, "36 hours"), (90_000, "90 seconds"), (5, "5 ms")]
    {
        assert_eq!(span(ms), text);
    }
}
