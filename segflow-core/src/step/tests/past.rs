//! Who comes by what is past, who by news, and whom a push finds there.

use super::*;

fn newcomers(id: &str, segment: &str) -> Campaign {
    Campaign { newcomers_only: true, ..campaign(id, segment, Mode::Static) }
}

#[test]
fn history_enrols_nobody_whatever_comes_with_it() {
    let segments = [("everyone", Expr::Everyone), ("buyers", bought(1)), ("on", is("on", json!(true)))];
    let both = Campaign { segments: vec!["on".into(), "buyers".into()], ..campaign("both", "", Mode::Static) };
    let campaigns = [
        campaign("hello", "everyone", Mode::Static),
        campaign("thanks", "buyers", Mode::Static),
        campaign("go", "on", Mode::Static),
        both,
    ];
    let flows: &[(&str, Play)] = &[("hello", mail), ("thanks", mail), ("go", mail), ("both", mail)];
    let mut world = World::new(&segments, &campaigns, &[], flows);
    // A new user, and what she bought long ago.
    world.update(json!({"on": true}));
    world.buy("o1", NOW - DAY, true);
    let decision = world.step(NOW);
    assert_eq!(decision.entered.len(), 3, "it counts");
    let entered = [("go", 1, Status::Active), ("hello", 1, Status::Active)];
    assert_eq!(world.enrollments(), entered);
    // What happens now, beside what is past, is no less news for it.
    let mut world = World::new(&segments, &campaigns, &[], flows);
    world.buy("o1", NOW - DAY, true);
    world.buy("o2", NOW, false);
    world.step(NOW);
    assert_eq!(world.enrollments(), [("hello", 1, Status::Active), ("thanks", 1, Status::Active)]);
}

/// What is left for the next step makes no history of what it brings.
#[test]
fn whom_an_event_brings_enters_though_it_ends_another_run_and_has_history_before_it() {
    // By the event, and by attributes, of which only the last state is known.
    let settled = Expr::All(vec![bought(1), is("on", json!(true))]);
    for (rule, by_attributes) in [(bought(2), false), (settled, true)] {
        let ends = vec![Trigger::Event { name: "purchase".into(), filter: None }];
        let first = Campaign { exits_on: ends, ..campaign("first", "everyone", Mode::Static) };
        let campaigns = [first, campaign("loyal", "loyal", Mode::Static)];
        let flows: &[(&str, Play)] = &[("first", mail), ("loyal", mail)];
        let mut world = World::new(&[("everyone", Expr::Everyone), ("loyal", rule)], &campaigns, &[], flows);
        world.update(json!({"on": false}));
        world.drain(NOW);
        world.report("o1", NOW - DAY, true);
        world.memory.emit("ada", "x", "visit", EventFact { occurred_at: NOW, attributes: Object::new() }, false, NOW);
        world.report("o2", NOW, false);
        if by_attributes {
            world.update(json!({"on": true}));
        }
        assert_eq!(world.step(NOW).consumed.len(), 2);
        world.drain(NOW);
        assert_eq!(world.enrollments(), [("first", 1, Status::Exited), ("loyal", 1, Status::Active)]);
    }
}

#[test]
fn whoever_comes_while_a_push_is_behind_is_a_newcomer() {
    let segments = [("buyers", bought(1)), ("everyone", Expr::Everyone)];
    // Campaigns over segments that the push has left alone: of buyers she was no member, of everyone she was one before.
    let campaigns = [newcomers("thanks", "buyers"), newcomers("hello", "everyone")];
    for (historical, entered) in [(false, vec![("thanks", 1, Status::Active)]), (true, vec![])] {
        let mut world = World::new(&segments, &[], &[], &[]);
        world.update(json!({"on": true}));
        world.drain(NOW);
        world.deploy(2, &segments, &campaigns, &[], &[("thanks", mail), ("hello", mail)]);
        world.buy("o1", NOW - DAY, historical);
        assert_eq!(world.step(NOW).entered, ["buyers"]);
        assert_eq!(world.enrollments(), entered);
    }
}

#[test]
fn whom_a_changed_rule_finds_there_is_no_newcomer() {
    for (newcomers_only, entered) in [(true, 0), (false, 1)] {
        let thanks = Campaign { newcomers_only, ..campaign("thanks", "buyers", Mode::Static) };
        let mut world = World::new(&[("buyers", bought(3))], std::slice::from_ref(&thanks), &[], &[("thanks", mail)]);
        world.buy("o1", NOW, false);
        world.buy("o2", NOW, false);
        world.drain(NOW);
        world.deploy(2, &[("buyers", bought(2))], std::slice::from_ref(&thanks), &[], &[("thanks", mail)]);
        let decision = world.step(NOW);
        assert_eq!(decision.entered, ["buyers"]);
        assert_eq!(world.enrollments().len(), entered);
    }
    // Nor is anybody kept out who comes later.
    let thanks = newcomers("thanks", "buyers");
    let mut world = World::new(&[("buyers", bought(3))], std::slice::from_ref(&thanks), &[], &[("thanks", mail)]);
    world.buy("o1", NOW, false);
    world.drain(NOW);
    world.deploy(2, &[("buyers", bought(2))], std::slice::from_ref(&thanks), &[], &[("thanks", mail)]);
    world.drain(NOW);
    world.buy("o2", NOW, false);
    world.drain(NOW);
    assert_eq!(world.enrollments().len(), 1);
}
