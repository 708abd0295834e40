//! Calls of other servers, and work for people.

use segflow_protocol as protocol;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Duration, schema, seconds};

/// A request to somebody else's server, for [`Flow::webhook`](crate::Flow::webhook).
///
/// The server sends it, once the step that decided it is stored, and again with growing pauses while no answer comes, or one of 408,
/// 425, 429 or 5xx: at least once. A header `Idempotency-Key` is the same on every attempt. Private addresses are refused unless the
/// server allows them; redirects are not followed; an answer is cut at 64 KiB.
#[must_use = "it is sent with `flow.webhook(…).await`"]
pub struct Webhook {
    request: protocol::Webhook,
    /// What is wrong with it.
    wrong: Option<String>,
}

impl Webhook {
    /// A `POST`; ten seconds for each of five attempts.
    pub fn post(url: impl Into<String>) -> Webhook {
        Webhook::method("POST", url)
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Webhook {
        Webhook::method("GET", url)
    }

    /// Any other method.
    pub fn method(method: &str, url: impl Into<String>) -> Webhook {
        let timeout = seconds(10).as_millis();
        let request = protocol::Webhook {
            method: method.into(),
            url: url.into(),
            timeout,
            attempts: 5,
            ..protocol::Webhook::default()
        };
        Webhook { request, wrong: None }
    }

    /// The body, as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Webhook {
        match schema::written("the body of a webhook", body) {
            Ok(body) => self.request.body = Some(body),
            Err(why) => self.wrong = Some(why),
        }
        self
    }

    /// A header.
    pub fn header(mut self, name: &str, value: &str) -> Webhook {
        self.request.headers.push((name.into(), value.into()));
        self
    }

    /// A header whose value is a secret of the server: `.secret("Authorization", "CRM_AUTHORIZATION")`.
    pub fn secret(mut self, header: &str, name: &str) -> Webhook {
        self.request.secrets.push((header.into(), name.into()));
        self
    }

    /// How long one attempt may take; at most a minute.
    pub fn timeout(mut self, timeout: Duration) -> Webhook {
        self.request.timeout = timeout.as_millis();
        self
    }

    /// How often it is tried; 1 to 20.
    pub fn attempts(mut self, attempts: u32) -> Webhook {
        self.request.attempts = attempts;
        self
    }

    pub(super) fn protocol(self) -> Result<protocol::Webhook, String> {
        self.wrong.map_or(Ok(self.request), Err)
    }
}

/// What the other server answered, with any status below 500.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    /// As text; bytes that are none are replaced.
    pub body: String,
}

impl Answer {
    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// A sentence, if it is not of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, WebhookError> {
        serde_json::from_str(&self.body).map_err(|e| WebhookError(format!("the answer is not what was expected: {e}")))
    }
}

/// No answer could be had, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookError(String);

impl std::fmt::Display for WebhookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WebhookError {}

/// How an answer travels.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Came {
    Answer(Answer),
    Error { error: WebhookError },
}

impl From<Came> for Result<Answer, WebhookError> {
    fn from(came: Came) -> Self {
        match came {
            Came::Answer(answer) => Ok(answer),
            Came::Error { error } => Err(error),
        }
    }
}

/// Something for a person to do, for [`Flow::task`](crate::Flow::task).
#[must_use = "it is asked for with `flow.task(…).await`"]
pub struct Task(protocol::Task);

impl Task {
    /// What is to be done, in a sentence.
    pub fn new(title: impl Into<String>) -> Task {
        Task(protocol::Task { title: title.into(), ..protocol::Task::default() })
    }

    /// Who is to do it.
    pub fn assignee(mut self, assignee: impl Into<String>) -> Task {
        self.0.assignee = Some(assignee.into());
        self
    }

    /// When it should be done, from now. The flow waits on: `race` it with a wait to give up.
    pub fn due(mut self, after: Duration) -> Task {
        self.0.due = Some(after.as_millis());
        self
    }

    pub(super) fn protocol(self) -> protocol::Task {
        self.0
    }
}

/// A task that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completed {
    /// What was handed in with it; `null` if nothing was.
    #[serde(default)]
    pub result: Value,
}
