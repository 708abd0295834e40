//! In which order facts, waits and ends come, and what is asked about what is not there.

use segflow_protocol::Ask;

use super::*;

/// In one step as if each had come alone.
#[test]
fn an_event_that_ends_a_run_comes_after_what_was_reported_before_it() {
    let ends = vec![Trigger::Event { name: "purchase".into(), filter: None }];
    let come = |alone: bool, pauses: bool| {
        let vip = campaign("vip", "on", Mode::Static);
        let vip = match pauses {
            true => Campaign { pauses_on: ends.clone(), ..vip },
            false => Campaign { exits_on: ends.clone(), ..vip },
        };
        let mut world = World::new(&[("on", is("on", json!(true)))], &[vip], &[], &[("vip", mail)]);
        let go = |world: &mut World| {
            if alone {
                world.drain(NOW)
            }
        };
        // Whoever is not in it does not leave it.
        world.report("o1", NOW - 10, false);
        go(&mut world);
        world.update(json!({"on": true}));
        go(&mut world);
        for id in ["o2", "o3", "o4"] {
            world.report(id, NOW - 10, false);
            go(&mut world);
        }
        world.drain(NOW);
        let status = world.enrollments()[0].2;
        (status, world.messages()[0].1)
    };
    for alone in [true, false] {
        assert_eq!(come(alone, false), (Status::Exited, ledger::Status::Cancelled), "alone: {alone}");
        assert_eq!(come(alone, true), (Status::Paused, ledger::Status::Cancelled), "alone: {alone}");
    }
}

/// What is stored already and has not been taken up brings nobody in before it is.
#[test]
fn an_event_does_not_end_the_run_that_it_brought() {
    for alone in [true, false] {
        let ends = vec![Trigger::Event { name: "purchase".into(), filter: None }];
        let loyal = Campaign { exits_on: ends, ..campaign("loyal", "twice", Mode::Static) };
        let mut world = World::new(&[("twice", bought(2))], &[loyal], &[], &[("loyal", mail)]);
        world.report("o1", NOW - 10, false);
        if alone {
            world.drain(NOW);
        }
        world.report("o2", NOW - 9, false);
        world.drain(NOW);
        assert_eq!(world.enrollments(), [("loyal", 1, Status::Active)], "alone: {alone}");
        world.report("o3", NOW - 8, false);
        world.drain(NOW);
        assert_eq!(world.enrollments(), [("loyal", 1, Status::Exited)], "alone: {alone}");
    }
}

/// The server was away meanwhile.
#[test]
fn what_fell_due_before_the_end_of_a_run_comes_before_it() {
    for (at, sent) in [(NOW + DAY - 1, 1), (NOW + DAY, 2), (NOW + DAY + 1, 2)] {
        let ends = vec![Trigger::Event { name: "purchase".into(), filter: None }];
        let vip = Campaign { exits_on: ends, ..campaign("vip", "on", Mode::Static) };
        let mut world = World::new(&[("on", is("on", json!(true)))], &[vip], &[], &[("vip", mail)]);
        world.update(json!({"on": true}));
        world.drain(NOW);
        let event = EventFact { occurred_at: at, attributes: Object::new() };
        world.memory.emit("ada", "o1", "purchase", event, false, at);
        world.drain(NOW + 9 * DAY);
        assert_eq!(
            (world.messages().len(), world.enrollments()[0].2),
            (sent, if sent == 1 { Status::Exited } else { Status::Done })
        );
    }
}

#[test]
fn what_ends_nothing_is_taken_up_with_the_rest() {
    let vip = Campaign {
        exits_on: vec![Trigger::Event { name: "purchase".into(), filter: None }],
        ..campaign("vip", "on", Mode::Static)
    };
    let mut world = World::new(&[("on", is("on", json!(true)))], &[vip], &[], &[("vip", mail)]);
    world.update(json!({"on": false}));
    (0..9).for_each(|n| world.buy(&format!("o{n}"), NOW, false));
    assert_eq!(world.step(NOW).consumed.len(), 10);
    world.update(json!({"on": true}));
    (0..9).for_each(|n| world.buy(&format!("p{n}"), NOW, false));
    assert_eq!([world.step(NOW).consumed.len(), world.step(NOW).consumed.len()], [1, 9]);
}

fn asks(flow: Flow) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        flow.send("mail", || Ok(Json("{}".into()))).await;
        let answer = flow.ask(Ask::Segment { id: "rich".into(), expr: None }).await.expect("an answer");
        flow.log(answer.0);
        flow.wait(DAY).await;
    })
}

#[test]
fn a_question_about_a_segment_that_is_not_there_parks_and_is_asked_again() {
    let segments = [("on", is("on", json!(true))), ("rich", is("on", json!(true)))];
    let campaigns = [campaign("vip", "on", Mode::Static)];
    let mut world = World::new(&segments[..1], &campaigns, &[], &[("vip", asks)]);
    world.update(json!({"on": true}));
    world.drain(NOW);
    assert_eq!((world.enrollments(), world.messages().len()), (vec![("vip", 1, Status::Parked)], 1));
    let (_, parked) = world.memory.enrollments().next().expect("one");
    let (id, reason) = (parked.id.clone(), parked.reason.clone().expect("a reason"));
    assert!(reason.contains("segment `rich`, which the project does not have"), "{reason}");
    world.deploy(2, &segments, &campaigns, &[], &[("vip", asks)]);
    world.memory.change(&id, "resumed", Enrollment::resume);
    world.drain(NOW);
    assert_eq!((world.enrollments(), world.messages().len()), (vec![("vip", 1, Status::Active)], 1));
    assert_eq!(world.memory.logs.last().map(|(.., line)| line.as_str()), Some("true"));
}

/// Whom pushes have not reached yet and who was restarted by hand meanwhile is not restarted again by what was said before that.
#[test]
fn what_was_said_before_a_restart_by_hand_is_no_news_to_the_run() {
    let segments = [("on", is("on", json!(true)))];
    let campaigns = [campaign("vip", "on", Mode::Static)];
    let mut world = World::new(&segments, &campaigns, &[], &[("vip", mail)]);
    world.update(json!({"on": true}));
    world.drain(NOW);
    for generation in 2..=4 {
        world.deploy(generation, &segments, &campaigns, &[], &[("vip", mail)]);
        if generation == 2 {
            let said = BTreeMap::from([("vip".to_string(), segflow_protocol::InFlight::Restart)]);
            let mut project = world.memory.project().clone();
            project.in_flight = said;
            world.memory.deploy(project);
        }
        if generation == 3 {
            let (_, run) = world.memory.enrollments().next().expect("one");
            world.memory.change(&run.id.clone(), "restarted", |e| e.restart("dep3", NOW));
        }
    }
    let decision = world.step(NOW);
    assert_eq!((decision.evaluated, decision.restarted), (4, vec![]));
}
