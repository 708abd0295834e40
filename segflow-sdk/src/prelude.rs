//! Everything a project needs: `use segflow::prelude::*;`.

pub use serde::{Deserialize, Serialize};
pub use std::ops::Not as _;

pub use crate::Weekday::{self, *};
pub use crate::{
    Attributes, Beyond, Bounced, Campaign, Capture, Children, Class, Clicked, Complained, Confirmed, Conversion,
    Duration, Either, Email, Endpoint, Event, Flow, Html, Imap, InFlight, Message, MixMax, Opened, Postmark, Project,
    Replied, Resend, Route, Segment, SendGrid, Ses, Smtp, Subscribed, Task, Texts, Timestamp, Topic, Transaction,
    Unsubscribed, WORKDAYS, Webhook, WebhookError, at, between, business_hours, component, days, email, events, hours,
    html, join, minutes, next, on, race, seconds, template, tw, user, weeks,
};
