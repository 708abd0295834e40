//! What emails say with their samples, so that a push can tell which of them say something else, and which say nothing at all.

use std::collections::BTreeSet;

use segflow_core::Plugin;
use segflow_core::ids;
use segflow_core::protocol::{
    Json, Manifest, Problem, Render, Rendered, Request, Response, Sample, Samples, UNDEFINED,
};

use crate::links;

/// What was found while every email was rendered.
#[derive(Default)]
pub struct Found {
    /// Emails that have no link to unsubscribe.
    pub no_way_out: BTreeSet<String>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<String>,
}

/// Adds what each email says with its samples to what the plugin knows of its code: a changed component, a changed constant and a changed
/// theme show there and nowhere else.
pub fn add(plugin: &dyn Plugin, manifest: &mut Manifest) -> Found {
    let mut found = Found::default();
    let Ok(Response::Samples(json)) = plugin.call(&Request::Samples) else { return found };
    let Ok(samples) = json.read::<Samples>() else { return found };
    for template in &mut manifest.templates {
        let mut parts = vec![std::mem::take(&mut template.content)];
        for sample in samples.emails.get(&template.id).into_iter().flatten().filter(|s| s.problem.is_none()) {
            match render(plugin, &template.id, sample) {
                Ok(rendered) => {
                    if !links::lead_out(&rendered.html) {
                        found.no_way_out.insert(template.id.clone());
                    }
                    parts.extend([rendered.subject, rendered.html, rendered.text]);
                }
                Err(why) => found.refused(&template.id, sample, &why),
            }
        }
        template.content = match parts.len() {
            1 => parts.remove(0),
            _ => ids::derived("said", &parts.iter().map(String::as_str).collect::<Vec<_>>()),
        };
    }
    found
}

fn render(plugin: &dyn Plugin, template: &str, sample: &Sample) -> Result<Rendered, String> {
    let args = Json(serde_json::Value::from(sample.args.clone()).to_string());
    let render = Render { template: template.into(), user: Json(sample.user.to_string()), args };
    match plugin.call(&Request::Render(render)) {
        Ok(Response::Rendered(rendered)) => Ok(rendered),
        Ok(Response::Refused(why)) => Err(why),
        Ok(_) => Err("the plugin answered something else than an email".into()),
        Err(error) => Err(error.to_string()),
    }
}

impl Found {
    /// A name that is not there is a mistake of the file, whatever it is shown with; and what its author says must do. What was made up may
    /// be at fault itself: a text where an address should be.
    fn refused(&mut self, template: &str, sample: &Sample, why: &str) {
        let with = match (&sample.name, sample.made_up.as_slice()) {
            (Some(name), _) => format!("its sample “{name}”"),
            (None, []) => "its sample".to_string(),
            (None, made_up) => format!("a made-up `{}`", made_up.join("`, `")),
        };
        // The plugin names it too.
        let own = format!("template `{template}`: ");
        let why = why.strip_prefix(own.as_str()).unwrap_or(why);
        let message = format!("`{template}` cannot be rendered with {with}: {why}");
        if why.contains(UNDEFINED) || sample.made_up.is_empty() {
            let place = Some(format!("template {template}"));
            let hint = "; if it is there in life, say what it is shown with by `sample(…)`";
            let message = if sample.made_up.is_empty() { message } else { message + hint };
            self.problems.push(Problem { code: "not_rendered".into(), message, place });
        } else {
            self.warnings.push(format!("{message}; say what it is shown with by `sample(…)`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(made_up: &[&str], why: &str) -> (usize, usize) {
        let mut found = Found::default();
        let made_up = made_up.iter().map(ToString::to_string).collect();
        found.refused("hello", &Sample { made_up, ..Sample::default() }, why);
        (found.problems.len(), found.warnings.len())
    }

    #[test]
    fn only_what_made_up_data_may_have_caused_is_a_warning() {
        let undefined = format!("emails/x.html:4: {UNDEFINED}: `order.nmae`");
        assert_eq!(found(&[], &undefined), (1, 0));
        assert_eq!(found(&["order"], &undefined), (1, 0));
        assert_eq!(found(&[], "the address `x` does not begin with https:"), (1, 0));
        assert_eq!(found(&["user"], "the address `x` does not begin with https:"), (0, 1));
    }
}
