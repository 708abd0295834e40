//! The HTTP API. Each resource is a file with its routes; what they share is how a request is read ([`body`], [`params`], [`path`],
//! [`check`]), how a list is answered ([`page`]) and what can go wrong ([`problem`]).
//!
//! An answer of 2xx means committed. Nothing here decides or sends: facts go to the store, and [`Drive`] wakes those who decide.

mod allow_list;
mod auth;
mod batch;
mod body;
mod campaigns;
mod check;
mod clock;
mod consent;
mod declared;
mod deployments;
mod doctor;
mod emails;
mod enrollments;
mod events;
mod health;
mod hold;
mod keys;
mod link_keys;
mod me;
mod messages;
mod notices;
mod observe;
mod page;
mod pages;
mod params;
mod path;
mod problem;
mod providers;
mod secrets;
mod segments;
mod suppressions;
mod tasks;
mod unread;
mod users;
mod webhooks;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::catch_panic::CatchPanicLayer;

use crate::deploy::Deploy;
use crate::doctor::Doctor;
use crate::drive::Drive;
use crate::links::Links;
use crate::notices::Notices;
use crate::secrets::Secrets;
use crate::store::Store;

/// What the API works on.
#[derive(Clone)]
pub struct Api {
    pub store: Store,
    pub deploy: Deploy,
    pub drive: Drive,
    pub secrets: Secrets,
    pub links: Links,
    pub doctor: Arc<Doctor>,
    pub notices: Arc<Notices>,
    /// Whether mistakes reach real people: a push that lets many enter must say so.
    pub production: bool,
    /// Whether webhooks may go to addresses that are not of the public internet, and without encryption.
    pub private_webhooks: bool,
    /// The header in which a proxy says from which country somebody comes.
    pub country_header: Option<String>,
    /// Whether no mail leaves.
    pub captures: bool,
    pub metrics: PrometheusHandle,
    /// Whether this server takes traffic: false while it starts and while it drains.
    pub ready: Arc<AtomicBool>,
}

/// All routes, ready to be served.
pub fn router(api: Api) -> Router {
    let app = App(Arc::new(Inner { api, keys: auth::Keys::default() }));
    let with_key = Router::new()
        .merge(allow_list::routes())
        .merge(batch::routes())
        .merge(campaigns::routes())
        .merge(clock::routes())
        .merge(consent::routes())
        .merge(deployments::routes())
        .merge(doctor::routes())
        .merge(emails::routes())
        .merge(enrollments::routes())
        .merge(events::routes())
        .merge(hold::routes())
        .merge(keys::routes())
        .merge(link_keys::routes())
        .merge(me::routes())
        .merge(messages::routes())
        .merge(providers::routes())
        .merge(secrets::routes())
        .merge(segments::routes())
        .merge(suppressions::routes())
        .merge(tasks::routes())
        .merge(users::routes())
        .merge(webhooks::routes())
        .route_layer(from_fn_with_state(app.clone(), auth::require_key));
    with_key
        .merge(health::routes())
        .merge(notices::routes())
        .merge(pages::routes())
        .fallback(problem::no_route)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn(unread::read_on))
        .layer(from_fn(observe::observe))
        .with_state(app)
}

/// The state of every handler: one pointer.
#[derive(Clone)]
struct App(Arc<Inner>);

struct Inner {
    api: Api,
    keys: auth::Keys,
}

impl App {
    /// Business time, ms UTC.
    fn now(&self) -> i64 {
        self.drive.clock().now()
    }
}

impl Deref for App {
    type Target = Api;
    fn deref(&self) -> &Api {
        &self.0.api
    }
}
