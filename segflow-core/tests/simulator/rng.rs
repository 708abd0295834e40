//! Randomness that a seed gives again.

use segflow_core::ids;

pub struct Rng {
    seed: u64,
    drawn: u64,
}

impl Rng {
    pub fn new(seed: u64, stream: u64) -> Rng {
        Rng { seed: ids::random(seed, stream), drawn: 0 }
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.drawn += 1;
        ids::random(self.seed, self.drawn) % n
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
