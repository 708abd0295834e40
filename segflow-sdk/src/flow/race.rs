//! Several waits at once.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Which of two came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first of the two, with what it returned.
    First(A),
    /// The second.
    Second(B),
}

/// Waits for whichever of the two comes first; the other is dropped, and what it waited for is no longer wanted.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { name: String }
/// # #[derive(Event, Serialize, Deserialize)] struct Purchase { value: f64, order_id: String }
/// # #[derive(Event, Serialize, Deserialize)] struct Login {}
/// # async fn f(flow: Flow<Shopper>) {
/// match race(flow.wait_for::<Purchase>(), flow.wait_for::<Login>()).await {
///     Either::First(purchase) => flow.log(format!("bought for {}", purchase.value)),
///     Either::Second(Login {}) => flow.log("only looked"),
/// }
/// # }
/// ```
pub async fn race<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> Either<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a.into_future()), pin!(b.into_future()));
    poll_fn(|context| {
        if let Poll::Ready(a) = a.as_mut().poll(context) {
            return Poll::Ready(Either::First(a));
        }
        b.as_mut().poll(context).map(Either::Second)
    })
    .await
}

/// Waits for both.
///
/// ```
/// # use segflow::prelude::*;
/// # #[derive(Attributes, Serialize, Deserialize)] struct Shopper { name: String }
/// # #[derive(Event, Serialize, Deserialize)] struct Purchase { value: f64, order_id: String }
/// # async fn f(flow: Flow<Shopper>) {
/// let (purchase, ()) = join(flow.wait_for::<Purchase>(), flow.wait(days(3))).await;
/// # }
/// ```
pub async fn join<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a.into_future()), pin!(b.into_future()));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
