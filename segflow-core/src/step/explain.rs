//! Why a user is in a segment or is not, also by the segments that it is made of.

use std::collections::BTreeSet;

use segflow_protocol::{Expr, Rule};

use super::{Step, View, Work};
use crate::eval::{self, Asked, Explained, Verdict};
use crate::project::Project;

/// The most segments within segments that are taken apart: those that share parts could be shown without end.
const MOST: usize = 100;

fn rule<'a>(project: &'a Project, segment: &str) -> Option<&'a Expr> {
    match &project.manifest.segments.iter().find(|s| s.id == segment)?.rule {
        Rule::Expr(expr) => Some(expr),
        Rule::Sql(_) => None,
    }
}

/// What must be loaded to explain a segment.
pub fn asked(project: &Project, segment: &str) -> Vec<Asked> {
    let (mut all, mut known, mut open) = (vec![], BTreeSet::new(), vec![segment]);
    while let Some(id) = open.pop() {
        let Some(expr) = rule(project, id).filter(|_| known.insert(id)) else { continue };
        all.extend(eval::asked(expr));
        parts(expr, &mut |part| {
            if let Expr::Segment(id) = part {
                open.push(id);
            }
        });
    }
    all
}

fn parts<'a>(expr: &'a Expr, each: &mut impl FnMut(&'a Expr)) {
    each(expr);
    match expr {
        Expr::All(all) | Expr::Any(all) => all.iter().for_each(|part| parts(part, each)),
        Expr::Not(part) => parts(part, each),
        _ => {}
    }
}

/// Evaluated now, by what was loaded. `None`: there is no such segment of expressions.
pub fn explain(project: &Project, work: Work, segment: &str, now: i64) -> Option<(Explained, Verdict)> {
    let expr = rule(project, segment)?;
    let step = Step::new(project, work, now);
    let view = View { step: &step };
    let mut explained = eval::explain(expr, &view);
    within(project, expr, &mut explained, &view, &mut 0);
    Some((explained, eval::evaluate(expr, &view)))
}

/// Puts below each segment that is named why it holds.
fn within(project: &Project, expr: &Expr, explained: &mut Explained, view: &View<'_>, count: &mut usize) {
    match expr {
        Expr::All(parts) | Expr::Any(parts) => {
            for (part, explained) in parts.iter().zip(&mut explained.parts) {
                within(project, part, explained, view, count);
            }
        }
        Expr::Not(part) => {
            if let Some(explained) = explained.parts.first_mut() {
                within(project, part, explained, view, count);
            }
        }
        Expr::Segment(id) => {
            *count += 1;
            if let Some(inner) = rule(project, id).filter(|_| *count <= MOST) {
                let mut why = eval::explain(inner, view);
                within(project, inner, &mut why, view, count);
                explained.parts.push(why);
            }
        }
        _ => {}
    }
}
