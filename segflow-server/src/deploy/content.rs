//! What emails say, so that a push can tell which of them say something else.

use std::collections::BTreeSet;

use segflow_core::Plugin;
use segflow_core::ids;
use segflow_core::protocol::{Json, Manifest, Render, Request, Response, Samples};

use crate::links;

/// Adds what each email says with its samples to what the plugin knows of its code: a changed component, a changed constant and a changed
/// theme show there and nowhere else. Nothing depends on it but the plan, so what cannot be rendered is left as it is. Returns the emails that
/// have no link to unsubscribe.
pub fn add(plugin: &dyn Plugin, manifest: &mut Manifest) -> BTreeSet<String> {
    let mut no_way_out = BTreeSet::new();
    let Ok(Response::Samples(json)) = plugin.call(&Request::Samples) else { return no_way_out };
    let Ok(samples) = json.read::<Samples>() else { return no_way_out };
    for template in &mut manifest.templates {
        let mut parts = vec![std::mem::take(&mut template.content)];
        for sample in samples.emails.get(&template.id).into_iter().flatten().filter(|s| s.problem.is_none()) {
            let args = Json(serde_json::Value::from(sample.args.clone()).to_string());
            let render = Render { template: template.id.clone(), user: Json(sample.user.to_string()), args };
            if let Ok(Response::Rendered(rendered)) = plugin.call(&Request::Render(render)) {
                if !links::lead_out(&rendered.html) {
                    no_way_out.insert(template.id.clone());
                }
                parts.extend([rendered.subject, rendered.html, rendered.text]);
            }
        }
        template.content = match parts.len() {
            1 => parts.remove(0),
            _ => ids::derived("said", &parts.iter().map(String::as_str).collect::<Vec<_>>()),
        };
    }
    no_way_out
}
