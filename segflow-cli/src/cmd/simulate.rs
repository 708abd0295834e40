use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use jiff::{Span, SpanRelativeTo, Timestamp};
use segflow_core::{
    Code, Plugin,
    conversion::whole,
    enrollment::Status,
    eval::EventFact,
    ledger::{Origin, Outcome},
    memory::{Converted, Memory, Row},
    merge::Object,
    project::{Project, check, declared},
    protocol::{Json, Manifest, Render, Request, Response, Rule},
    step::JobKind,
};
use segflow_server::plugin::{Host, sha256};
use serde_json::{Value, json};

use super::Context;
use crate::{
    dev::{Traffic, What},
    failure::usage,
    plan::{pad, thousands},
    printer::visible,
    wasm,
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow simulate winback-campaign --attributes '{\"username\": \"Ada\", \"email\": \"ada@shop.example\", \"winback\": true}'
  segflow simulate winback-campaign --user ada --until 90d      as the server knows ada now
  segflow simulate winback-campaign --file traffic.jsonl        many users, with their history; only totals

Builds the project in this folder and plays it in memory: nothing is sent, nothing is stored. Nobody else does anything meanwhile: no
event comes, webhooks answer 200 with `{}`, tasks are done at once, and nobody is in a segment that is written in SQL. A line of the file is what `segflow dev --play` takes.")]
pub struct Simulate {
    /// The campaign's id
    campaign: String,
    /// The project's folder
    #[arg(long, default_value = ".", value_name = "DIR")]
    project: PathBuf,
    /// A user of the server, with attributes and events
    #[arg(long, value_name = "ID", conflicts_with_all = ["attributes", "file"])]
    user: Option<String>,
    /// A made-up user
    #[arg(long, short = 'j', value_name = "JSON", conflicts_with = "file")]
    attributes: Option<String>,
    /// What many users did, one fact a line
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How far to look ahead
    #[arg(long, default_value = "90d", value_name = "SPAN")]
    until: String,
    /// When it begins; now, or with the first line of the file
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
}

/// The made-up user.
const SOMEBODY: &str = "somebody";

impl Simulate {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let printer = &context.printer;
        let until: Span =
            self.until.parse().map_err(|_| usage(format!("--until {}: write it like 90d or \"3d 2h\"", self.until)))?;
        let traffic = self.file.as_deref().map(|file| Traffic::read(file, true)).transpose()?;
        let known = match &self.user {
            Some(user) => Some(context.api(Some(&self.project)).await?.person(user).await?),
            None => None,
        };
        let plugin = wasm::build(&self.project, printer).await?;
        let mut play = Play::new(&plugin.wasm, &self.campaign)?;
        if let Some(sql) = in_sql(&play.manifest) {
            printer.warning(format!("segments in SQL are not asked here, and nobody is in them: {sql}"));
        }
        let first = traffic.as_ref().and_then(Traffic::starts);
        let from = self.from.or(first).unwrap_or_else(now);
        play.now = from.as_millisecond();
        let timed = |at: Timestamp| after(at, until);
        if let Some(traffic) = &traffic {
            for fact in traffic.facts() {
                play.advance(fact.at.as_millisecond())?;
                match &fact.what {
                    What::Attributes(attributes) => play.memory.update(&fact.user, attributes, false, play.now),
                    What::Event { name, attributes, id } => {
                        play.emit(&fact.user, id.as_deref(), name, attributes.clone(), play.now)
                    }
                }
                play.settle()?;
            }
            let last = traffic.facts().last().map_or(from, |fact| fact.at);
            play.advance(timed(last)?)?;
            let (totals, value) = (play.totals(), play.value());
            for (name, count) in &totals {
                printer.result(format!("{}  {}", pad(name, 40), thousands(*count)));
            }
            if value != 0.0 {
                printer.result(format!("{}  {value}", pad("value of conversions", 40)));
            }
            printer.document(&json!({"campaign": self.campaign, "totals": totals, "value": value}));
            return Ok(ExitCode::SUCCESS);
        }
        let (id, attributes, events) = match (known, &self.attributes) {
            (Some(known), _) => known,
            (None, Some(text)) => {
                let attributes: Object = serde_json::from_str(text)
                    .map_err(|error| usage(format!("--attributes is not a JSON object: {error}")))?;
                (SOMEBODY.to_owned(), attributes, vec![])
            }
            (None, None) => return Err(usage("who? Give --user ID, --attributes JSON or --file FILE")),
        };
        for (name, attributes, at) in events {
            play.memory.emit(
                &id,
                &format!("h{}", play.events),
                &name,
                EventFact { occurred_at: at, attributes },
                true,
                play.now,
            );
            play.events += 1;
        }
        play.memory.update(&id, &attributes, false, play.now);
        play.settle()?;
        if play.enrolled(&id).is_none() {
            printer.note(format!("{} would not enter by the campaign's segments; put in by hand", visible(&id)));
            play.memory.enroll(&id, &self.campaign, None, play.now);
            play.settle()?;
        }
        play.advance(timed(from)?)?;
        for (at, line) in &play.lines {
            printer.result(format!("{}  {}", moment(*at), visible(line)));
        }
        let lines: Vec<Value> = play.lines.iter().map(|(at, line)| json!({"at": moment(*at), "what": line})).collect();
        printer.document(&json!({"campaign": self.campaign, "user": id, "lines": lines}));
        Ok(ExitCode::SUCCESS)
    }
}

/// Segments that only a database can say something about.
fn in_sql(manifest: &Manifest) -> Option<String> {
    let sql = manifest.segments.iter().filter(|segment| matches!(segment.rule, Rule::Sql(_)));
    let ids: Vec<&str> = sql.map(|segment| segment.id.as_str()).collect();
    (!ids.is_empty()).then(|| ids.join(", "))
}

/// For the time at which it begins, if nobody says.
#[allow(clippy::disallowed_methods)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn after(at: Timestamp, span: Span) -> Result<i64> {
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).context("--until is too long")?;
    Ok(at.checked_add(length).context("--until is too long")?.as_millisecond())
}

fn moment(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or("the end of time".into(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A project at work in memory.
struct Play {
    campaign: String,
    memory: Memory,
    code: Code,
    manifest: Arc<Manifest>,
    now: i64,
    events: u64,
    /// What has happened in the campaign: when and what.
    lines: Vec<(i64, String)>,
    logged: usize,
    /// How many conversions were seen.
    counted: usize,
    /// Where each enrollment was last seen.
    seen: BTreeMap<String, (Status, Option<i64>)>,
}

impl Play {
    fn new(wasm: &[u8], campaign: &str) -> Result<Play> {
        let host = Host::new(None)?;
        let plugin: Arc<dyn Plugin> =
            host.load(&sha256(wasm), wasm).map_err(|rejected| anyhow!("{}", rejected.message))?;
        let manifest: Manifest = match plugin.call(&Request::Describe) {
            Ok(Response::Manifest(json)) => json.read().context("what the project declares cannot be read")?,
            Ok(other) => bail!("the project does not describe itself: {other:?}"),
            Err(error) => bail!("the project does not describe itself: {error}"),
        };
        if let Some(problem) = check(&manifest).first() {
            bail!("a push would refuse this project: {}", problem.message);
        }
        if !manifest.campaigns.iter().any(|c| c.id == campaign) {
            let ids: Vec<&str> = manifest.campaigns.iter().map(|c| c.id.as_str()).collect();
            return Err(usage(format!("the project has no campaign `{campaign}`; it has {}", ids.join(", "))));
        }
        let manifest = Arc::new(manifest);
        let since = manifest.campaigns.iter().map(|c| (c.id.clone(), 1)).collect();
        let mut memory = Memory::new("simulated");
        memory.deploy(Project::new("simulated", 1, (*manifest).clone(), since, 0));
        let code = Code { plugin, manifest: manifest.clone() };
        let (lines, seen) = (vec![], BTreeMap::new());
        Ok(Play {
            campaign: campaign.into(),
            memory,
            code,
            manifest,
            now: 0,
            events: 0,
            lines,
            logged: 0,
            counted: 0,
            seen,
        })
    }

    fn emit(&mut self, user: &str, id: Option<&str>, name: &str, attributes: Object, at: i64) {
        self.events += 1;
        let id = id.map_or_else(|| format!("e{}", self.events), str::to_owned);
        self.memory.emit(user, &id, name, EventFact { occurred_at: at, attributes }, false, self.now);
    }

    fn enrolled(&self, user: &str) -> Option<Status> {
        let of = |(id, e): &(&str, &segflow_core::enrollment::Enrollment)| *id == user && e.campaign == self.campaign;
        self.memory.enrollments().find(of).map(|(_, e)| e.status)
    }

    /// Everything that is due on the way to an instant.
    fn advance(&mut self, to: i64) -> Result<()> {
        while let Some(due) = self.memory.next_due().filter(|due| *due <= to) {
            self.now = due.max(self.now);
            self.settle()?;
        }
        self.now = to.max(self.now);
        self.settle()
    }

    fn settle(&mut self) -> Result<()> {
        loop {
            let code = self.code.clone();
            self.memory.drain(&|_| Ok(code.clone()), self.now).map_err(|error| anyhow!("{error}"))?;
            self.entered();
            self.converted();
            while let Some(row) = self.memory.claim(self.now) {
                self.deliver(&row);
            }
            let Some((enrollment, op, what, value)) = self.memory.jobs().next().map(|job| match &job.what {
                JobKind::Webhook(call) => {
                    let value = json!({"status": 200, "body": "{}"});
                    (job.enrollment.clone(), job.op, format!("calls {} {}: answered 200", call.method, call.url), value)
                }
                JobKind::Task(task) => {
                    let value = json!({"result": null});
                    (job.enrollment.clone(), job.op, format!("asks for “{}”: done", task.title), value)
                }
            }) else {
                break;
            };
            self.say(&enrollment, what);
            self.memory.answer(&enrollment, op, Json(value.to_string()), self.now);
        }
        self.stands();
        Ok(())
    }

    fn say(&mut self, enrollment: &str, line: String) {
        let ours = self.memory.enrollments().any(|(_, e)| e.id == enrollment && e.campaign == self.campaign);
        if ours {
            self.lines.push((self.now, line));
        }
    }

    fn entered(&mut self) {
        let new: Vec<String> =
            self.memory.enrollments().map(|(_, e)| e.id.clone()).filter(|id| !self.seen.contains_key(id)).collect();
        for id in new {
            self.seen.insert(id.clone(), (Status::Active, None));
            self.say(&id, format!("enters {}", self.campaign));
        }
        let logs: Vec<String> = self.memory.logs[self.logged..]
            .iter()
            .filter(|(_, campaign, _)| *campaign == self.campaign)
            .map(|(.., line)| format!("“{line}”"))
            .collect();
        self.logged = self.memory.logs.len();
        self.lines.extend(logs.into_iter().map(|line| (self.now, line)));
    }

    /// What has counted for the campaign.
    fn converted(&mut self) {
        let new = &self.memory.conversions()[self.counted..];
        let ours = new.iter().filter(|counted| counted.success.campaign == self.campaign);
        let template = |message: &String| {
            self.memory
                .messages()
                .find(|row| row.message.id == *message)
                .map_or("", |row| row.message.template.as_str())
        };
        let lines = ours.map(|counted| {
            let worth = counted.success.value.map_or(String::new(), |value| format!(", worth {}", whole(value as f64)));
            (self.now, format!("{} counts for {}{worth}", counted.success.what.name(), template(&counted.message)))
        });
        let lines: Vec<(i64, String)> = lines.collect();
        self.counted = self.memory.conversions().len();
        self.lines.extend(lines);
    }

    /// What has changed about where enrollments stand.
    fn stands(&mut self) {
        let all: Vec<(String, Status, Option<i64>, Option<String>)> =
            self.memory.enrollments().map(|(_, e)| (e.id.clone(), e.status, e.wake_at(), e.reason.clone())).collect();
        for (id, status, wake, reason) in all {
            if self.seen.insert(id.clone(), (status, wake)) == Some((status, wake)) {
                continue;
            }
            let reason = reason.unwrap_or_default();
            let line = match status {
                Status::Active => match wake {
                    Some(at) => format!("waits until {}", moment(at)),
                    None => "waits for something that does not come here".into(),
                },
                Status::Done => "has come to its end".into(),
                Status::Exited => format!("leaves: {reason}"),
                Status::Parked => format!("stops: {reason}"),
                Status::Paused => format!("pauses: {reason}"),
            };
            self.say(&id, line);
        }
    }

    fn deliver(&mut self, row: &Row) {
        let (outcome, line) = match self.render(row) {
            Ok(subject) => (Outcome::Accepted { provider_id: None }, format!("✉ {}  {subject}", row.message.template)),
            Err(why) => (Outcome::Refused(why.clone()), format!("✗ {} refused: {why}", row.message.template)),
        };
        if let Origin::Campaign { enrollment, .. } = &row.message.origin {
            self.say(enrollment, line);
        }
        self.memory.outcome(&row.message.id, row.attempt, &outcome, self.now);
    }

    fn render(&self, row: &Row) -> Result<String, String> {
        let attributes = self.memory.attributes(&row.user).ok_or("the user is gone")?;
        let address = self.manifest.address.as_ref().and_then(|address| attributes.get(address)?.as_str());
        address.filter(|to| to.contains('@')).ok_or("no email address")?;
        let user = Json(Value::Object(declared(&self.manifest.user, attributes)).to_string());
        let render = Render { template: row.message.template.clone(), user, args: row.message.args.clone() };
        match self.code.plugin.call(&Request::Render(render)) {
            Ok(Response::Rendered(rendered)) => Ok(rendered.subject),
            Ok(Response::Refused(why)) => Err(why),
            Ok(_) => Err("the plugin answered something else than an email".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Enrollments by status, emails by template, and conversions by what they are.
    fn totals(&self) -> BTreeMap<String, u64> {
        let mut totals = BTreeMap::new();
        for (_, enrollment) in self.memory.enrollments().filter(|(_, e)| e.campaign == self.campaign) {
            *totals.entry(format!("enrollments, {}", enrollment.status.name())).or_default() += 1;
        }
        for row in self.memory.messages() {
            if matches!(&row.message.origin, Origin::Campaign { campaign, .. } if *campaign == self.campaign) {
                *totals.entry(format!("emails {}, {}", row.message.template, row.status.name())).or_default() += 1;
            }
        }
        for counted in self.conversions() {
            *totals.entry(format!("conversions, {}", counted.success.what.name())).or_default() += 1;
        }
        totals
    }

    /// What conversions are worth together.
    fn value(&self) -> f64 {
        whole(self.conversions().filter_map(|counted| counted.success.value).map(|value| value as f64).sum())
    }

    fn conversions(&self) -> impl Iterator<Item = &Converted> {
        self.memory.conversions().iter().filter(|counted| counted.success.campaign == self.campaign)
    }
}
