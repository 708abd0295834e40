//! Answers a server's requests from a project.

use segflow_protocol::{Json, Render, Request, Response, Turn, decode, encode};

use crate::{Attributes, Flow, Project, email};

/// Bytes of a [`Request`] in, bytes of a [`Response`] out.
pub fn answer<U: Attributes>(project: &Project<U>, request: &[u8]) -> Vec<u8> {
    let response = match decode(request) {
        Ok(request) => respond(project, request),
        Err(e) => Response::Refused(e.to_string()),
    };
    encode(&response)
}

/// Describes the project, runs a turn of a campaign, or renders a message.
pub fn respond<U: Attributes>(project: &Project<U>, request: Request) -> Response {
    match request {
        Request::Describe => match Json::of(&project.manifest()) {
            Ok(manifest) => Response::Manifest(manifest),
            Err(e) => Response::Refused(format!("the project cannot be described as JSON: {e}")),
        },
        Request::Turn(turn) => run(project, turn),
        Request::Render(render) => rendered::<U>(&render),
    }
}

fn run<U: Attributes>(project: &Project<U>, turn: Turn) -> Response {
    match project.campaign_of(&turn.campaign) {
        Some(campaign) => Response::Turn(segflow_core::flow::run(turn, |flow| (campaign.start)(Flow::new(flow)))),
        None => Response::Refused(format!("there is no campaign `{}`", turn.campaign)),
    }
}

fn rendered<U: Attributes>(render: &Render) -> Response {
    let Some(email) = email::find::<U>(&render.template) else {
        return Response::Refused(format!("there is no template `{}`", render.template));
    };
    match email.render(&render.user, &render.args) {
        Ok(rendered) => Response::Rendered(rendered),
        Err(why) => Response::Refused(format!("template `{}`: {why}", render.template)),
    }
}
