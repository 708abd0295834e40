//! Answers a server's requests from a project.

use std::mem::ManuallyDrop;

use segflow_core::flow::{self, Given};
use segflow_protocol::{Json, Render, Request, Response, Turn, decode_request, encode_response};

use crate::{Attributes, Project, email};

/// Bytes of a [`Request`] in, bytes of a [`Response`] out. An email is found without describing the project first.
pub fn answer<U: Attributes>(project: impl FnOnce() -> Project<U>, request: &[u8]) -> Vec<u8> {
    let response = match decode_request(request) {
        Ok(Request::Render(render)) => rendered::<U>(&render),
        // Taking it apart again would be work for nothing: the instance goes as a whole.
        Ok(request) => respond(&ManuallyDrop::new(project()), request),
        Err(e) => Response::Refused(e.to_string()),
    };
    encode_response(&response)
}

/// Describes the project, runs a turn of a campaign, or renders a message.
pub fn respond<U: Attributes>(project: &Project<U>, request: Request) -> Response {
    respond_with(project, request, None)
}

/// The same, with all randomness chosen.
pub(crate) fn respond_with<U: Attributes>(project: &Project<U>, request: Request, random: Option<u64>) -> Response {
    match request {
        Request::Describe => match Json::of(&project.manifest()) {
            Ok(manifest) => Response::Manifest(manifest),
            Err(e) => Response::Refused(format!("the project cannot be described as JSON: {e}")),
        },
        Request::Turn(turn) => run(project, turn, Given { state: None, random }),
        Request::Anew(turn, state) => run(project, turn, Given { state: Some(state), random }),
        Request::Render(render) => rendered::<U>(&render),
        Request::Samples => Response::Samples(Json(email::samples::<U>(project.sample_of_user()).to_string())),
    }
}

fn run<U: Attributes>(project: &Project<U>, turn: Turn, given: Given) -> Response {
    match project.campaign_of(&turn.campaign) {
        Some(campaign) => Response::Turn(flow::run(turn, given, &campaign.start)),
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
