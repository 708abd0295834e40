//! Everything a project needs: `use segflow::prelude::*;`.

pub use serde::{Deserialize, Serialize};
pub use std::ops::Not as _;

pub use crate::{
    Attributes, Campaign, Capture, Duration, Email, Event, Flow, Message, Project, Segment, Smtp, Transaction, days,
    email, events, hours, minutes, seconds, template, user, weeks,
};
