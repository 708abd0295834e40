//! Who takes what: the first by priority that is there, and of several the one whose turn it is by weight.

use super::Access;

/// A provider that could take messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The lowest comes first.
    pub priority: u32,
    pub weight: u32,
    pub access: Access,
    /// The daily allowance is used up: others are asked instead, as if it were not there.
    pub spent: bool,
    /// How many messages it could take now.
    pub room: usize,
    /// What it is owed by weight; it goes from one share to the next.
    pub credit: i64,
}

impl Candidate {
    /// It takes messages, now or in a moment.
    pub fn is_up(&self) -> bool {
        matches!(self.access, Access::Free | Access::Busy(_)) && !self.spent
    }

    fn room(&self) -> usize {
        if self.access == Access::Free && !self.spent { self.room } else { 0 }
    }
}

/// How many of some messages each candidate takes.
///
/// All goes to those of the first priority that are up. When they have no room it waits for them: the others are there for when they are
/// not. Whoever is to be tried again is given one message, unless somebody before it is up.
pub fn share(candidates: &mut [Candidate], wanted: usize) -> Vec<usize> {
    let mut shares = vec![0; candidates.len()];
    let first = candidates.iter().filter(|c| c.is_up()).map(|c| c.priority).min();
    let mut left = wanted;
    for (candidate, share) in candidates.iter().zip(&mut shares) {
        let is_tried = candidate.access == Access::Probe && !candidate.spent && candidate.room > 0;
        if is_tried && left > 0 && first.is_none_or(|first| candidate.priority <= first) {
            *share = 1;
            left -= 1;
        }
    }
    let Some(first) = first else { return shares };
    while left > 0 {
        let has_room = |i: &usize| candidates[*i].priority == first && shares[*i] < candidates[*i].room();
        let with_room: Vec<usize> = (0..candidates.len()).filter(has_room).collect();
        let Some(next) = next(candidates, &with_room) else { break };
        shares[next] += 1;
        left -= 1;
    }
    shares
}

/// Each is owed its weight; whoever is owed most has its turn and pays for all.
fn next(candidates: &mut [Candidate], among: &[usize]) -> Option<usize> {
    let weight = |candidate: &Candidate| i64::from(candidate.weight.max(1));
    let all: i64 = among.iter().map(|i| weight(&candidates[*i])).sum();
    for i in among {
        candidates[*i].credit += weight(&candidates[*i]);
    }
    // The first of those that are owed the same.
    let next = *among.iter().min_by_key(|i| -candidates[**i].credit)?;
    candidates[next].credit -= all;
    Some(next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(priority: u32, weight: u32, room: usize) -> Candidate {
        Candidate { priority, weight, access: Access::Free, spent: false, room, credit: 0 }
    }

    #[test]
    fn priority_comes_before_room() {
        let mut two = [candidate(1, 1, 3), candidate(2, 1, 100)];
        assert_eq!(share(&mut two, 10), [3, 0], "the second is there for when the first is not");
        two[0].access = Access::Busy(5);
        assert_eq!(share(&mut two, 10), [0, 0], "nor for when it is busy");
        two[0].access = Access::Shut(5);
        assert_eq!(share(&mut two, 10), [0, 10]);
        two[0].access = Access::Probe;
        assert_eq!(share(&mut two, 10), [1, 9]);
        two[0].access = Access::Free;
        two[0].spent = true;
        assert_eq!(share(&mut two, 10), [0, 10]);
    }

    #[test]
    fn nobody_is_tried_again_who_is_not_needed() {
        let mut two = [candidate(1, 1, 100), candidate(2, 1, 100)];
        two[1].access = Access::Probe;
        assert_eq!(share(&mut two, 10), [10, 0]);
        two[0].access = Access::Shut(5);
        assert_eq!(share(&mut two, 10), [0, 1]);
    }

    #[test]
    fn weights_hold_over_many_small_shares() {
        let mut three = [candidate(1, 5, 9), candidate(1, 3, 9), candidate(1, 2, 9)];
        let mut sum = [0; 3];
        for _ in 0..100 {
            for (all, one) in sum.iter_mut().zip(share(&mut three, 1)) {
                *all += one;
            }
        }
        assert_eq!(sum, [50, 30, 20]);
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let access = prop_oneof![
            4 => Just(Access::Free), 1 => Just(Access::Probe), 1 => Just(Access::Busy(1)), 1 => Just(Access::Shut(1))
        ];
        let one = (1..3u32, 1..9u32, access, any::<bool>(), 0..40usize).prop_map(
            |(priority, weight, access, spent, room)| Candidate { priority, weight, access, spent, room, credit: 0 },
        );
        proptest::collection::vec(one, 0..6)
    }

    proptest! {
        #[test]
        fn shares_are_within_what_there_is(mut all in candidates(), wanted in 0..60usize) {
            let before = all.clone();
            let shares = share(&mut all, wanted);
            prop_assert!(shares.iter().sum::<usize>() <= wanted);
            let first = before.iter().filter(|c| c.is_up()).map(|c| c.priority).min();
            let mut free = 0;
            for (candidate, share) in before.iter().zip(&shares) {
                let most = match candidate.access {
                    _ if candidate.spent => 0,
                    Access::Free if Some(candidate.priority) == first => candidate.room,
                    Access::Probe => candidate.room.min(1),
                    _ => 0,
                };
                prop_assert!(*share <= most, "{candidate:?} takes {share}");
                free += most;
            }
            // Nothing is left while somebody of the first priority has room.
            if before.iter().all(|c| c.access != Access::Probe) {
                prop_assert_eq!(shares.iter().sum::<usize>(), wanted.min(free));
            }
        }

        #[test]
        fn weights_hold_to_within_one(weights in proptest::collection::vec(1..20u32, 1..6), wanted in 0..500usize) {
            let mut all: Vec<Candidate> = weights.iter().map(|weight| candidate(1, *weight, usize::MAX)).collect();
            let shares = share(&mut all, wanted);
            let sum: u32 = weights.iter().sum();
            for (weight, share) in weights.iter().zip(shares) {
                let exact = wanted as f64 * f64::from(*weight) / f64::from(sum);
                prop_assert!((share as f64 - exact).abs() <= weights.len() as f64, "{share} of {exact}");
            }
        }
    }
}
