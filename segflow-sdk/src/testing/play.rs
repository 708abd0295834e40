//! What a server does all day, for one instant: decide, then deliver, until nothing is left to do.

use segflow_core::enrollment::{Enrollment, Status};
use segflow_core::ledger::Outcome;
use segflow_core::memory::Row;
use segflow_core::project::declared;
use segflow_core::step::JobKind;
use segflow_protocol::{Json, Render, Rendered, Request, Response};
use serde_json::Value;

use super::{Mail, Refusal, Run, timestamp};
use crate::{Attributes, schema};

impl<U: Attributes> Run<U> {
    #[track_caller]
    pub(super) fn settle(&mut self) {
        loop {
            self.decide();
            let Some((enrollment, op, request)) = self.called() else { break };
            let Some(answer) = self.webhooks.as_mut() else {
                panic!(
                    "a flow of user `{}` calls {} {}: say what that answers with `Run::webhooks`",
                    request.user_id, request.method, request.url
                );
            };
            let came = match answer(&request) {
                Ok(answer) => schema::to_value(&answer),
                Err(why) => serde_json::json!({ "error": why }),
            };
            self.memory.answer(&enrollment, op, Json(came.to_string()), self.now);
        }
        while let Some(row) = self.memory.claim(self.now) {
            self.deliver(&row);
        }
    }

    /// A webhook that nobody has answered, of a run that is not paused.
    fn called(&self) -> Option<(String, u64, super::Request)> {
        self.memory.jobs().find_map(|job| {
            let JobKind::Webhook(webhook) = &job.what else { return None };
            let goes_on = |e: &Enrollment| e.id == job.enrollment && e.status != Status::Paused;
            let (user, _) = self.memory.enrollments().find(|(_, e)| goes_on(e))?;
            let request = super::Request {
                user_id: user.to_string(),
                method: webhook.method.clone(),
                url: webhook.url.clone(),
                headers: webhook.headers.clone(),
                body: webhook.body.as_ref().and_then(|body| body.read().ok()).unwrap_or_default(),
            };
            Some((job.enrollment.clone(), job.op, request))
        })
    }

    #[track_caller]
    fn decide(&mut self) {
        let code = self.code.clone();
        if let Err(e) = self.memory.drain(&|_| Ok(code.clone()), self.now) {
            panic!("{e}");
        }
        if let Some((user, parked)) = self.memory.enrollments().find(|(_, e)| e.status == Status::Parked) {
            let reason = parked.reason.as_deref().unwrap_or("for no reason");
            panic!("campaign `{}` stopped for user `{user}`: {reason}", parked.campaign);
        }
    }

    fn deliver(&mut self, row: &Row) {
        let (user_id, template, at) = (row.user.clone(), row.message.template.clone(), timestamp(self.now));
        let outcome = match self.mail(row) {
            Ok((to, Rendered { subject, html, text })) => {
                self.kept.messages.push(row.message.clone());
                self.kept.mails.push(Mail { user_id, template, at, to, subject, html, text });
                Outcome::Accepted { provider_id: None }
            }
            Err(reason) => {
                self.kept.refusals.push(Refusal { user_id, template, at, reason: reason.clone() });
                Outcome::Refused(reason)
            }
        };
        self.memory.outcome(&row.message.id, row.attempt, &outcome, self.now);
    }

    /// The address and what goes there, or why nothing does.
    fn mail(&self, row: &Row) -> Result<(String, Rendered), String> {
        let attributes = self.memory.attributes(&row.user).ok_or("the user is gone")?;
        let address = self.manifest().address.as_ref().and_then(|address| attributes.get(address)?.as_str());
        let to = address.filter(|to| !to.trim().is_empty()).ok_or("no email address")?.to_string();
        let user = Json(Value::Object(declared(&self.manifest().user, attributes)).to_string());
        let render = Render { template: row.message.template.clone(), user, args: row.message.args.clone() };
        match self.plugin().call(&Request::Render(render)) {
            Ok(Response::Rendered(rendered)) => Ok((to, rendered)),
            Ok(Response::Refused(why)) => Err(why),
            Ok(other) => Err(format!("a message was asked for, not {other:?}")),
            Err(e) => Err(e.to_string()),
        }
    }
}
