//! Renders emails on threads of their own, as many as there are cores.
//!
//! A render is a few dozen microseconds, and a claim is a hundred of them: a thread takes the next one as soon as it is done with the last,
//! without being woken for each. More threads would only wait for one another, since each render gives pages back to the kernel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use segflow_core::protocol::{Render, Rendered, Request, Response};
use segflow_core::{Code, Plugin};
use tokio::sync::oneshot;

/// An email, or a sentence for the person who wrote it.
type Answer = Result<Rendered, String>;

struct Job {
    code: Code,
    request: Render,
    answer: oneshot::Sender<Answer>,
}

pub struct Renders(Sender<Job>);

impl Renders {
    /// The threads end when this is dropped.
    pub fn start() -> Renders {
        let (queue, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let jobs = jobs.clone();
            std::thread::spawn(move || work(&jobs));
        }
        Renders(queue)
    }

    pub async fn render(&self, code: Code, request: Render) -> Answer {
        let (answer, answered) = oneshot::channel();
        let stopping = || "the server is stopping".to_string();
        self.0.send(Job { code, request, answer }).map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().expect("no panic while held").recv();
        let Ok(Job { code, request, answer }) = next else { return };
        let rendered = catch_unwind(AssertUnwindSafe(|| render(code.plugin.as_ref(), request)));
        // Whoever has gone away is not told.
        let _ = answer.send(rendered.unwrap_or_else(|_| Err("rendering failed: the server panicked".into())));
    }
}

fn render(plugin: &dyn Plugin, request: Render) -> Answer {
    match plugin.call(&Request::Render(request)) {
        Ok(Response::Rendered(rendered)) => Ok(rendered),
        Ok(Response::Refused(why)) => Err(why),
        Ok(_) => Err("the plugin answered something else than an email".into()),
        Err(error) => Err(error.to_string()),
    }
}
