//! Everything a project needs: `use segflow::prelude::*;`.

pub use serde::{Deserialize, Serialize};
pub use std::ops::Not as _;

pub use crate::Weekday::{self, *};
pub use crate::{
    Attributes, Campaign, Capture, Duration, Either, Email, Event, Flow, InFlight, Message, Project, Segment, Smtp,
    Task, Timestamp, Transaction, WORKDAYS, Webhook, WebhookError, at, between, business_hours, days, email, events,
    hours, join, minutes, next, on, race, seconds, template, user, weeks,
};
