//! What is written and read by hand is what postcard writes and reads.

use proptest::collection::vec;
use proptest::prelude::*;
use segflow_protocol::{
    Completion, Cut, Entry, Happened, Journal, Json, OpKind, ReadDelta, Rendered, Request, Response, Turn, decode,
    decode_request, encode, encode_request, encode_response,
};

fn happened() -> impl Strategy<Value = Happened> {
    let json = || ".{0,40}".prop_map(Json);
    prop_oneof![
        Just(Happened::Sent),
        any::<i64>().prop_map(|at| Happened::Elapsed { at }),
        Just(Happened::Read(None)),
        (json(), vec(".{0,8}", 0..3)).prop_map(|(set, removed)| Happened::Read(Some(ReadDelta { set, removed }))),
        Just(Happened::Updated),
        Just(Happened::Cancelled),
        (any::<i64>(), json()).prop_map(|(at, value)| Happened::Came { at, value }),
        Just(Happened::Done),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    // All kinds there are, by the numbers that are stored.
    let kind = (0u8..14).prop_map(|number| decode::<OpKind>(&[number]).expect("a kind"));
    let op = prop_oneof![0u64..300, any::<u64>()];
    (op, kind, any::<u32>(), happened()).prop_map(|(op, kind, identity, happened)| Entry {
        op,
        kind,
        identity,
        happened,
    })
}

fn request() -> impl Strategy<Value = Request> {
    let numbers = (any::<u64>(), any::<u64>(), any::<i64>(), any::<i64>());
    let completion = (any::<u64>(), happened()).prop_map(|(op, happened)| Completion { op, happened });
    let state = proptest::option::of(".{0,20}");
    (".{0,9}", ".{0,9}", numbers, ".{0,20}", vec(entry(), 0..20), vec(completion, 0..3), state).prop_map(
        |(campaign, user_id, (seed, first_op, started_at, now), attributes, journal, completions, state)| {
            let (journal, attributes) = (journal.into_iter().collect(), Json(attributes));
            let turn = Turn { campaign, user_id, seed, first_op, started_at, now, attributes, journal, completions };
            match state {
                Some(state) => Request::Anew(turn, Json(state)),
                None => Request::Turn(turn),
            }
        },
    )
}

fn journal(request: &Request) -> &Journal {
    let (Request::Turn(turn) | Request::Anew(turn, _)) = request else { panic!("not a turn: {request:?}") };
    &turn.journal
}

proptest! {
    #[test]
    fn a_turn_is_the_same_bytes_either_way(request in request()) {
        let bytes = encode_request(&request);
        prop_assert_eq!(&bytes, &encode(&request));
        prop_assert_eq!(&decode_request(&bytes).expect("it can be read"), &request);
        prop_assert_eq!(&decode::<Request>(&bytes).expect("it can be read"), &request);
        prop_assert!(decode_request(&bytes[..bytes.len() - 1]).is_err(), "one byte too few");
        prop_assert!(decode_request(&[&bytes[..], &[0]].concat()).is_err(), "one byte too many");
    }

    #[test]
    fn an_email_is_the_same_bytes_either_way(subject in ".{0,9}", html in ".{0,300}", text in ".{0,200}") {
        let response = Response::Rendered(Rendered { subject, html, text });
        prop_assert_eq!(encode_response(&response), encode(&response));
    }

    #[test]
    fn what_is_damaged_is_never_taken_for_something_else(request in request(), at in any::<usize>(), byte: u8) {
        let mut bytes = encode_request(&request);
        let at = at % bytes.len();
        bytes[at] = byte;
        match (decode_request(&bytes), decode::<Request>(&bytes)) {
            // Written anew: a number that is longer than it has to be stays so in a journal.
            (Ok(by_hand), Ok(by_postcard)) => prop_assert_eq!(encode(&by_hand), encode(&by_postcard)),
            // Where one byte is enough, nothing longer is read.
            (Err(_), Ok(by_postcard)) => prop_assert_ne!(encode(&by_postcard), bytes),
            (Ok(by_hand), Err(_)) => prop_assert!(!journal(&by_hand).is_sound(), "{by_hand:?}"),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn a_journal_is_stored_in_parts_and_read_one_by_one(entries in vec(entry(), 0..40), cut in 0usize..40) {
        let cut = cut.min(entries.len());
        let mut journal: Journal = entries[..cut].iter().cloned().collect();
        let place = journal.end();
        journal.extend(entries[cut..].iter().cloned());
        let (older, newer) = (entries[..cut].iter().cloned().collect::<Journal>(), journal.store(place));
        prop_assert_eq!(&newer, &encode(&entries[cut..].to_vec()));
        let mut again = Journal::default();
        again.load(&older.store(Cut::default())).expect("it can be read");
        again.load(&newer).expect("it can be read");
        prop_assert!(again.is_sound() && again == journal);
        let (mut one_by_one, mut at) = (vec![], Cut::default());
        while let Some((entry, next)) = again.entry(at) {
            one_by_one.push(entry);
            at = next;
        }
        prop_assert_eq!((one_by_one, at), (entries, journal.end()));
    }
}
