//! What a sender's domain says in the DNS: who may send for it (SPF, RFC 7208), what becomes of mail that nobody vouches for (DMARC,
//! RFC 7489), and the keys that signatures are checked with (DKIM, RFC 6376).

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use lettre::message::Mailbox;

use super::{Finding, PATIENCE, State};

pub struct Dns(TokioResolver);

/// The domain of a mailbox.
pub fn domain(mailbox: &str) -> Option<String> {
    let mailbox: Mailbox = mailbox.parse().ok()?;
    Some(mailbox.email.domain().to_ascii_lowercase())
}

impl Dns {
    /// At an address, or as this machine asks.
    pub fn at(resolver: Option<SocketAddr>) -> Result<Dns, String> {
        let builder = match resolver {
            None => TokioResolver::builder_tokio().map_err(|error| error.to_string())?,
            Some(at) => {
                let mut connection = ConnectionConfig::udp();
                connection.port = at.port();
                let servers = vec![NameServerConfig::new(at.ip(), true, vec![connection])];
                let config = ResolverConfig::from_parts(None, vec![], servers);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        builder.build().map(Dns).map_err(|error| error.to_string())
    }

    pub async fn spf(&self, domain: &str) -> Finding {
        let about = format!("SPF of {domain}");
        match self.texts(domain).await {
            Ok(texts) => spf(&texts).about(about),
            Err(why) => Finding::new(about, State::Unknown, why),
        }
    }

    /// Of the domain, or of one that it belongs to.
    pub async fn dmarc(&self, domain: &str) -> Finding {
        let about = format!("DMARC of {domain}");
        for domain in parents(domain) {
            match self.texts(&format!("_dmarc.{domain}")).await {
                Ok(texts) => {
                    if let Some(said) = dmarc(&texts) {
                        return said.about(about);
                    }
                }
                Err(why) => return Finding::new(about, State::Unknown, why),
            }
        }
        let says = format!("none: large receivers want one, such as \"v=DMARC1; p=none\" as TXT of _dmarc.{domain}");
        Finding::new(about, State::Warning, says)
    }

    pub async fn dkim(&self, selector: &str, domain: &str) -> Finding {
        let name = format!("{selector}._domainkey.{domain}");
        match self.texts(&name).await {
            Ok(texts) => dkim(&texts, &name).about(format!("DKIM of {domain}")),
            Err(why) => Finding::new(format!("DKIM of {domain}"), State::Unknown, why),
        }
    }

    /// The TXT records of a name; none if there is no such name.
    async fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        // The dot at its end: the search list of this machine is not the world's.
        let asking = tokio::time::timeout(PATIENCE, self.0.txt_lookup(format!("{name}.")));
        let answer = match asking.await.map_err(|_| "the resolver does not answer".to_string())? {
            Ok(answer) => answer,
            Err(error) if is_nothing(&error) => return Ok(vec![]),
            Err(error) => return Err(format!("the resolver does not know: {error}")),
        };
        let texts = answer.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect::<String>()),
            _ => None,
        });
        Ok(texts.collect())
    }
}

fn is_nothing(error: &NetError) -> bool {
    error.is_no_records_found() || error.is_nx_domain()
}

/// What records say.
#[derive(Debug, PartialEq, Eq)]
struct Said(State, String);

impl Said {
    fn about(self, about: String) -> Finding {
        Finding::new(about, self.0, self.1)
    }
}

/// A domain and those that it belongs to, without the last label of all.
fn parents(domain: &str) -> Vec<&str> {
    let mut all = vec![domain];
    let mut rest = domain;
    while let Some((_, parent)) = rest.split_once('.').filter(|(_, parent)| parent.contains('.')) {
        all.push(parent);
        rest = parent;
    }
    all
}

fn spf(texts: &[String]) -> Said {
    let is_spf = |text: &&String| {
        let text = text.to_ascii_lowercase();
        text == "v=spf1" || text.starts_with("v=spf1 ")
    };
    let records: Vec<&String> = texts.iter().filter(is_spf).collect();
    match records.as_slice() {
        [] => {
            let says = "none: say who sends for this domain, unless your provider sends from a return path of its own (Postmark, SES)";
            Said(State::Warning, says.into())
        }
        [one]
            if one
                .split_whitespace()
                .any(|word| word.eq_ignore_ascii_case("+all") || word.eq_ignore_ascii_case("all")) =>
        {
            Said(State::Bad, format!("`{one}` lets everybody send for this domain"))
        }
        [one] => Said(State::Good, one.to_string()),
        many => {
            Said(State::Bad, format!("there are {} records: receivers then count none; join them into one", many.len()))
        }
    }
}

/// `None` if there is no record.
fn dmarc(texts: &[String]) -> Option<Said> {
    let records: Vec<&String> = texts.iter().filter(|text| text.to_ascii_lowercase().starts_with("v=dmarc1")).collect();
    match records.as_slice() {
        [] => None,
        [one] => {
            let policy = one.split(';').map(str::trim).find_map(|part| part.strip_prefix("p=")).map(str::trim);
            Some(match policy {
                Some("none" | "quarantine" | "reject") => Said(State::Good, one.to_string()),
                _ => Said(State::Bad, format!("`{one}` has no policy: p=none, p=quarantine or p=reject")),
            })
        }
        many => {
            Some(Said(State::Bad, format!("there are {} records: receivers then count none; keep one", many.len())))
        }
    }
}

fn dkim(texts: &[String], name: &str) -> Said {
    let key = texts.iter().find_map(|text| text.split(';').find_map(|part| part.trim().strip_prefix("p=")));
    match key.map(str::trim) {
        None => Said(State::Bad, format!("there is no key at {name}: nobody can check what is signed with it")),
        Some("") => Said(State::Bad, format!("the key at {name} was revoked")),
        Some(_) => Said(State::Good, format!("there is a key at {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| text.to_string()).collect()
    }

    #[test]
    fn who_may_send() {
        let state = |all: &[&str]| spf(&texts(all)).0;
        assert_eq!(state(&["site-verification=x", "v=spf1 include:mail.example ~all"]), State::Good);
        assert_eq!(state(&["V=SPF1 -all"]), State::Good);
        assert_eq!(state(&["v=spf10 -all"]), State::Warning);
        assert_eq!(state(&[]), State::Warning);
        assert_eq!(state(&["v=spf1 a +all"]), State::Bad);
        assert_eq!(state(&["v=spf1 a all"]), State::Bad);
        assert_eq!(state(&["v=spf1 a -all", "v=spf1 mx -all"]), State::Bad);
    }

    #[test]
    fn what_becomes_of_the_rest() {
        let state = |all: &[&str]| dmarc(&texts(all)).map(|said| said.0);
        assert_eq!(state(&["v=DMARC1; p=none; rua=mailto:d@shop.example"]), Some(State::Good));
        assert_eq!(state(&["v=DMARC1;p=reject"]), Some(State::Good));
        assert_eq!(state(&["v=DMARC1; sp=none"]), Some(State::Bad));
        assert_eq!(state(&["v=DMARC1; p=none", "v=DMARC1; p=reject"]), Some(State::Bad));
        assert_eq!(state(&["v=spf1 -all"]), None);
        assert_eq!(parents("mail.shop.co.example"), ["mail.shop.co.example", "shop.co.example", "co.example"]);
        assert_eq!(parents("localhost"), ["localhost"]);
    }

    #[test]
    fn keys() {
        let state = |all: &[&str]| dkim(&texts(all), "s._domainkey.shop.example").0;
        assert_eq!(state(&["v=DKIM1; k=rsa; p=MIIB"]), State::Good);
        assert_eq!(state(&["v=DKIM1; p="]), State::Bad);
        assert_eq!(state(&[]), State::Bad);
    }

    #[test]
    fn the_domain_of_a_sender() {
        assert_eq!(domain("Shop <hello@Shop.example>").as_deref(), Some("shop.example"));
        assert_eq!(domain("hello@shop.example").as_deref(), Some("shop.example"));
        assert_eq!(domain("hello"), None);
    }
}
