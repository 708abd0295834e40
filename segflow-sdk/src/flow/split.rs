//! Arms: splits and experiments.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use segflow_core::flow;
use segflow_protocol::Ask;

use super::wait::{stop, typed};

/// The name of those who are kept out of an experiment.
const HOLDOUT: &str = "holdout";

/// An experiment with named arms of equal size: `flow.experiment("subject", ["plain", "emoji"])`.
///
/// A user is always in the same arm, also in another campaign with an experiment of this name. Who was in which arm is counted, with
/// the goals that they reach.
#[must_use = "nothing happens until it is awaited"]
pub struct Experiment {
    pub(super) flow: flow::Flow,
    pub(super) name: String,
    pub(super) arms: Vec<&'static str>,
}

/// An experiment that keeps some out.
#[must_use = "nothing happens until it is awaited"]
pub struct WithHoldout {
    experiment: Experiment,
    percent: u32,
}

impl Experiment {
    /// Keeps so many percent of the users out, at most all 100, to be compared with: for them it returns `None`.
    pub fn holdout(self, percent: u32) -> WithHoldout {
        WithHoldout { experiment: self, percent }
    }
}

impl IntoFuture for Experiment {
    type Output = &'static str;
    type IntoFuture = Pin<Box<dyn Future<Output = &'static str>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        let arms = self.arms.iter().map(|arm| (*arm, 1)).collect();
        Box::pin(choose(self.flow, self.name, arms, true))
    }
}

impl IntoFuture for WithHoldout {
    type Output = Option<&'static str>;
    type IntoFuture = Pin<Box<dyn Future<Output = Option<&'static str>>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        let WithHoldout { experiment: Experiment { flow, name, arms }, percent } = self;
        let wrong = match percent {
            0..=100 if arms.contains(&HOLDOUT) => Some(format!("`{name}` has an arm of the name of its holdout")),
            0..=100 => None,
            _ => Some(format!("`{name}` keeps out {percent} percent: 100 are all")),
        };
        if let Some(why) = wrong {
            return Box::pin(async move { stop(&flow, why).await });
        }
        let count = arms.len() as u32;
        let mut weights: Vec<_> = arms.into_iter().map(|arm| (arm, 100 - percent)).collect();
        weights.push((HOLDOUT, percent * count));
        let chosen = choose(flow, name, weights, true);
        Box::pin(async move { Some(chosen.await).filter(|arm| *arm != HOLDOUT) })
    }
}

#[track_caller]
pub(super) fn choose(
    flow: flow::Flow,
    name: String,
    arms: Vec<(&'static str, u32)>,
    experiment: bool,
) -> impl Future<Output = &'static str> {
    let weights = arms.iter().map(|(arm, weight)| (arm.to_string(), *weight)).collect();
    let op = flow.ask(Ask::Arm { name: name.clone(), arms: weights, experiment });
    async move {
        let Some(came) = op.await else { return stop(&flow, format!("`{name}` has no answer")).await };
        let chosen: String = typed(&flow, &came, || format!("the arm of `{name}`")).await;
        match arms.iter().find(|(arm, _)| *arm == chosen) {
            Some((arm, _)) => *arm,
            None => stop(&flow, format!("`{name}` has chosen the arm `{chosen}`, which is gone")).await,
        }
    }
}
