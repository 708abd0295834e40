//! What a project decides otherwise than an earlier one: the rest need not be decided again.

use std::collections::{BTreeMap, BTreeSet};

use segflow_protocol::{Field, Manifest};
use serde_json::Value;

use super::{Project, Touch, fields};

impl Project {
    /// The segments whose verdicts may be others than those of an earlier project.
    pub fn differs(&self, old: &Manifest) -> BTreeSet<&str> {
        let attributes = defaults(&old.user) != defaults(&self.manifest.user);
        let mut differing: BTreeSet<&str> = BTreeSet::new();
        for index in self.touched(&[Touch::All]) {
            let (segment, on) = (&self.manifest.segments[index], self.depends_on(index));
            let other_defaults = (attributes && on.reads_attributes(None))
                || on.event_names().any(|name| defaults(fields(old, name)) != defaults(fields(&self.manifest, name)));
            let is_same = old.segments.iter().any(|s| s == segment) && !other_defaults;
            if !is_same || on.segments.iter().any(|id| differing.contains(id.as_str())) {
                differing.insert(&segment.id);
            }
        }
        differing
    }

    /// The same, knowing the manifest of an earlier generation: whoever was held against that is held against what differs alone.
    pub fn with_earlier(mut self, generation: i64, old: &Manifest) -> Project {
        let differing = self.differs(old).into_iter().map(str::to_owned).collect();
        self.earlier.insert(generation, differing);
        self
    }

    /// What a user has to be held against who was last held against this generation.
    pub fn touches_since(&self, generation: i64) -> Vec<Touch<'_>> {
        match self.earlier.get(&generation) {
            _ if generation >= self.generation => vec![],
            Some(differing) => differing.iter().map(|id| Touch::Segment(id)).collect(),
            None => vec![Touch::All],
        }
    }
}

fn defaults(fields: &[Field]) -> BTreeMap<&str, &Value> {
    fields.iter().filter_map(|field| Some((field.name.as_str(), field.default.as_ref()?))).collect()
}
