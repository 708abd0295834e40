//! What a handler leaves of a body is read on and thrown away, within reason. A connection that is closed on a client in the middle
//! of its sentence is reset: the client may never see the answer, and a request that follows on the same connection is lost.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

/// Bytes that are read on, and how long.
const ENOUGH: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

pub async fn read_on(request: Request, next: Next) -> Response {
    let wrapped = request.map(|body| if body.is_end_stream() { body } else { Body::new(ReadOn { body, over: false }) });
    next.run(wrapped).await
}

/// A body that is read on when it is dropped too soon.
struct ReadOn {
    body: Body,
    over: bool,
}

impl HttpBody for ReadOn {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.over |= matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ReadOn {
    fn drop(&mut self) {
        if !self.over && !self.body.is_end_stream() {
            tokio::spawn(tokio::time::timeout(PATIENCE, discard(std::mem::take(&mut self.body))));
        }
    }
}

async fn discard(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > ENOUGH {
            break;
        }
    }
}
