//! The addresses that emails lead to: to unsubscribe, to choose, to see the email as a page.
//!
//! A token says which message it came with; what the address does is looked up then. Keys are kept in the database, per workspace.

mod click;
mod fill;
mod token;
mod track;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use segflow_protocol::Manifest;

use crate::clock::{monotonic, system_now};
use crate::store::link_keys::{self, LinkKey};
use crate::store::tracked::{self, LinkId, Sent};
use crate::store::{Result, Store};

use click::{Click, SealedClick};
pub use fill::{Headers, fill, lead_out, unsigned};
pub use token::{Kind, Token};
use token::{Sealed, message_id};
pub use track::{Tracked, track};

/// How long after a change of the keys a server may not know it.
const FRESH: Duration = Duration::from_secs(1);

/// The most keys that are remembered.
const MOST: usize = 1_024;

/// The most links of which it is remembered that they are kept.
const MOST_LINKS: usize = 100_000;

/// What stands in a test email in place of a token.
pub const TEST: &str = "test";

#[derive(Clone)]
pub struct Links(Arc<Inner>);

struct Inner {
    store: Store,
    /// Where people reach this server, as it was told.
    public: Option<String>,
    /// Where it listens.
    local: String,
    production: bool,
    /// By workspace, the key that signs.
    signing: Mutex<BTreeMap<String, (Instant, LinkKey)>>,
    /// By id, keys that were asked for.
    opening: Mutex<BTreeMap<u32, (Instant, LinkKey)>>,
    /// Links that are kept for good, since several people have them.
    shared: Mutex<BTreeSet<(String, LinkId)>>,
}

/// Makes the addresses for the emails of a project.
#[derive(Clone)]
pub struct Signer {
    key: LinkKey,
    base: String,
    /// Mail programs may call them by themselves.
    reachable: bool,
}

/// A link that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    pub workspace: String,
    /// The message's id.
    pub message: String,
    pub link: LinkId,
}

/// A token that one of our keys has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub workspace: String,
    pub token: Token,
}

impl Links {
    /// `public` is how the internet calls this server, `local` where it listens.
    pub fn new(store: Store, public: Option<String>, local: String, production: bool) -> Links {
        let (signing, opening, shared) = (Mutex::default(), Mutex::default(), Mutex::default());
        let public = public.map(|url| url.trim_end_matches('/').to_string());
        Links(Arc::new(Inner { store, public, local, production, signing, opening, shared }))
    }

    /// For the emails of a workspace's project.
    pub async fn signer(&self, workspace: &str, manifest: &Manifest) -> Result<Signer> {
        let (base, reachable) = self.base(manifest);
        let known = self.0.signing.lock().expect("no panic while held").get(workspace).cloned();
        if let Some((_, key)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Signer { key, base, reachable });
        }
        let asked = monotonic();
        let key = link_keys::signing(&self.0.store.db, workspace, system_now()).await?;
        self.0.signing.lock().expect("no panic while held").insert(workspace.into(), (asked, key.clone()));
        Ok(Signer { key, base, reachable })
    }

    /// What a project's addresses begin with, and whether that is known to be where people reach this server.
    pub fn base(&self, manifest: &Manifest) -> (String, bool) {
        let said = manifest.links_at.as_ref().map(|url| url.trim_end_matches('/').to_string());
        match said.or_else(|| self.0.public.clone()) {
            Some(base) => (base, true),
            None => (self.0.local.clone(), !self.0.production),
        }
    }

    /// What a token says, if one of our keys has signed it.
    pub async fn open(&self, text: &str) -> Result<Option<Opened>> {
        let Some(sealed) = Sealed::read(text) else { return Ok(None) };
        let Some(key) = self.key(sealed.key).await? else { return Ok(None) };
        Ok(sealed.open(&key.secret).map(|token| Opened { workspace: key.workspace, token }))
    }

    /// What the token of a link that is counted says, if one of our keys has signed it.
    pub async fn followed(&self, text: &str) -> Result<Option<Followed>> {
        let Some(sealed) = SealedClick::read(text) else { return Ok(None) };
        let Some(key) = self.key(sealed.key).await? else { return Ok(None) };
        let followed =
            |Click { message, link }| Followed { workspace: key.workspace, message: message_id(&message), link };
        Ok(sealed.open(&key.secret).map(followed))
    }

    /// Keeps where links lead, before they go out: each with whom it is for.
    pub async fn keep(&self, workspace: &str, links: Vec<(Tracked, String)>) -> Result<()> {
        let new: Vec<Sent> = {
            let shared = self.0.shared.lock().expect("no panic while held");
            let is_new = |(link, _): &(Tracked, String)| !shared.contains(&(workspace.to_string(), link.id));
            let sent = |(Tracked { id, address }, user)| Sent { id, address, user };
            links.into_iter().filter(is_new).map(sent).collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        let shared_now = tracked::keep(&self.0.store.db, workspace, new).await?;
        let mut shared = self.0.shared.lock().expect("no panic while held");
        if shared.len() > MOST_LINKS {
            shared.clear();
        }
        shared.extend(shared_now.into_iter().map(|id| (workspace.to_string(), id)));
        Ok(())
    }

    async fn key(&self, id: u32) -> Result<Option<LinkKey>> {
        let known = self.0.opening.lock().expect("no panic while held").get(&id).cloned();
        if let Some((_, key)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Some(key));
        }
        let asked = monotonic();
        let key = link_keys::one(&self.0.store.db, id).await?.filter(|key| key.revoked_at.is_none());
        let mut opening = self.0.opening.lock().expect("no panic while held");
        match &key {
            Some(key) => {
                if opening.len() >= MOST {
                    opening.pop_first();
                }
                opening.insert(id, (asked, key.clone()));
            }
            None => drop(opening.remove(&id)),
        }
        Ok(key)
    }

    /// Forgets what it knows of a workspace's keys: they have changed.
    pub fn forget(&self, workspace: &str) {
        self.0.signing.lock().expect("no panic while held").remove(workspace);
        self.0.opening.lock().expect("no panic while held").retain(|_, (_, key)| key.workspace != workspace);
    }
}

impl Signer {
    /// The address of one of a message's links.
    pub fn link(&self, kind: Kind, message: &str, index: u16) -> String {
        let token = Token::new(kind, message, index).map(|token| token.signed(self.key.id, &self.key.secret));
        format!("{}/{}/{}", self.base, kind.path(), token.as_deref().unwrap_or(TEST))
    }

    /// The address of a link that is counted.
    pub fn click(&self, message: &str, link: &LinkId) -> String {
        let token = Click::new(message, link).map(|click| click.signed(self.key.id, &self.key.secret));
        format!("{}/{}/{}", self.base, Kind::Click.path(), token.as_deref().unwrap_or(TEST))
    }

    /// What can be counted: where nobody gets to the server, nothing.
    pub fn counts(&self, tracking: (bool, bool)) -> (bool, bool) {
        if self.reachable { tracking } else { (false, false) }
    }
}
