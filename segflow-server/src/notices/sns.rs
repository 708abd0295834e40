//! Amazon SNS: messages in an envelope that is signed with a key whose certificate lies with Amazon, and nowhere else.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use serde::Deserialize;
use url::Url;
use webpki::EndEntityCert;
use webpki::ring::RSA_PKCS1_2048_8192_SHA256;

use super::{Refusal, unsigned};
use crate::outgoing;

/// The longest wait for Amazon, and the most of an answer, in bytes.
const ANSWER: Duration = Duration::from_secs(10);
const LARGEST: usize = 64 << 10;

/// How many certificates are remembered: there is one in each region, for about a year.
const MOST: usize = 64;

pub struct Sns {
    client: Client,
    /// Called in its place.
    fake: Option<String>,
    /// Certificates by their address.
    known: Mutex<BTreeMap<String, CertificateDer<'static>>>,
    /// One at a time: everybody may send a first envelope.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    #[serde(rename = "Type")]
    ty: String,
    message_id: String,
    topic_arn: String,
    message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default, rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

impl Envelope {
    /// What is signed: names and values, each on a line, in the order of the names.
    fn signed(&self) -> String {
        let all = [
            ("Message", Some(&self.message)),
            ("MessageId", Some(&self.message_id)),
            ("Subject", self.subject.as_ref().filter(|_| self.ty == "Notification")),
            ("SubscribeURL", self.subscribe_url.as_ref().filter(|_| self.ty != "Notification")),
            ("Timestamp", Some(&self.timestamp)),
            ("Token", self.token.as_ref().filter(|_| self.ty != "Notification")),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(&self.ty)),
        ];
        all.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value?))).collect()
    }
}

impl Sns {
    pub fn new(fake: Option<String>) -> anyhow::Result<Sns> {
        let client = outgoing::client(|builder| builder)?;
        Ok(Sns { client, fake, known: Mutex::default(), fetching: tokio::sync::Mutex::default() })
    }

    /// What an envelope of this topic brings; `None` for what is between SNS and us, such as the first one, which asks whether we want more.
    pub async fn open(&self, topic: &str, body: &[u8]) -> Result<Option<String>, Refusal> {
        let envelope: Envelope = serde_json::from_slice(body).map_err(|e| {
            Refusal::Unreadable(format!("not an envelope of SNS ({e}): raw message delivery has to be off"))
        })?;
        // Before anything is fetched: nobody who does not know the topic makes us call anybody.
        if envelope.topic_arn != topic {
            return unsigned("it comes from another topic than this provider's");
        }
        let region = topic.split(':').nth(3).unwrap_or_default();
        let Some(at) = ours(&envelope.signing_cert_url, region).filter(|url| url.path().ends_with(".pem")) else {
            return unsigned("its certificate does not lie with Amazon SNS in the region of the topic");
        };
        let certificate = self.certificate(&at).await?;
        prove(&envelope, &certificate)?;
        match envelope.ty.as_str() {
            "Notification" => Ok(Some(envelope.message)),
            "SubscriptionConfirmation" => {
                let address = envelope.subscribe_url.as_deref().unwrap_or_default();
                let confirms = |url: &Url| {
                    url.query_pairs().any(|(name, value)| name == "Action" && value == "ConfirmSubscription")
                };
                let Some(address) = ours(address, region).filter(confirms) else {
                    return unsigned("where it wants to be confirmed is not Amazon SNS in the region of the topic");
                };
                self.fetch(&address).await?;
                tracing::info!(topic, "the subscription of a topic is confirmed");
                Ok(None)
            }
            // Somebody has ended it, and is not to be contradicted.
            _ => Ok(None),
        }
    }

    async fn certificate(&self, at: &Url) -> Result<CertificateDer<'static>, Refusal> {
        let known = || self.known.lock().expect("no panic while held").get(at.as_str()).cloned();
        if let Some(known) = known() {
            return Ok(known);
        }
        let _one = self.fetching.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        let pem = self.fetch(at).await?;
        let certificate = CertificateDer::from_pem_slice(&pem);
        let certificate = certificate.map_err(|_| Refusal::Later("what lies there is no certificate".into()))?;
        let mut all = self.known.lock().expect("no panic while held");
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(at.to_string(), certificate.clone());
        Ok(certificate)
    }

    async fn fetch(&self, at: &Url) -> Result<Vec<u8>, Refusal> {
        let mut url = at.clone();
        if let Some(fake) = &self.fake {
            let query = at.query().map(|query| format!("?{query}")).unwrap_or_default();
            let there = format!("{}{}{query}", fake.trim_end_matches('/'), at.path());
            url = Url::parse(&there).map_err(|e| Refusal::Later(format!("not an address: {e}")))?;
        }
        let away = |why: String| Refusal::Later(format!("Amazon SNS does not answer: {why}"));
        let answer = self.client.get(url).timeout(ANSWER).send().await;
        let mut answer = answer.map_err(|e| away(e.without_url().to_string()))?;
        if !answer.status().is_success() {
            return Err(away(format!("status {}", answer.status().as_u16())));
        }
        let mut all = vec![];
        while let Some(part) = answer.chunk().await.map_err(|e| away(e.without_url().to_string()))? {
            all.extend_from_slice(&part);
            if all.len() > LARGEST {
                return Err(away("too much".into()));
            }
        }
        Ok(all)
    }
}

/// An address of SNS in a region, if it is one.
fn ours(address: &str, region: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let is_region =
        !region.is_empty() && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let hosts = [format!("sns.{region}.amazonaws.com"), format!("sns.{region}.amazonaws.com.cn")];
    let is_theirs = is_region
        && url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.host_str().is_some_and(|host| hosts.iter().any(|theirs| theirs == host));
    is_theirs.then_some(url)
}

fn prove(envelope: &Envelope, certificate: &CertificateDer<'_>) -> Result<(), Refusal> {
    let algorithm: &dyn SignatureVerificationAlgorithm = match envelope.signature_version.as_str() {
        "1" => &Sha1,
        "2" => RSA_PKCS1_2048_8192_SHA256,
        _ => return unsigned("it is signed in a way that is not known here"),
    };
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return unsigned("its certificate cannot be read");
    };
    let signature = STANDARD.decode(&envelope.signature).unwrap_or_default();
    match certificate.verify_signature(algorithm, envelope.signed().as_bytes(), &signature) {
        Ok(()) => Ok(()),
        Err(_) => unsigned("the signature is not by its certificate"),
    }
}

/// Version 1 of the signatures, which is what a topic has if nobody says otherwise.
#[derive(Debug)]
struct Sha1;

impl SignatureVerificationAlgorithm for Sha1 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, public_key);
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    /// Of certificates; there are none that this is for.
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_sns_in_the_region_are_called() {
        for address in [
            "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
            "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=1",
            "https://sns.eu-central-1.amazonaws.com:443/a.pem",
            "https://SNS.EU-central-1.amazonaws.com/a.pem",
            "https://sns.eu-central-1.amazonaws.com.cn/a.pem",
        ] {
            assert!(ours(address, "eu-central-1").is_some(), "{address}");
        }
        for address in [
            "http://sns.eu-central-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-central-1.amazonaws.com.evil.example/a.pem",
            "https://evil.example/sns.eu-central-1.amazonaws.com/a.pem",
            "https://sns.eu-central-1.amazonaws.com@evil.example/a.pem",
            "https://user@sns.eu-central-1.amazonaws.com/a.pem",
            "https://sns.eu-central-1.amazonaws.com:8443/a.pem",
            "https://xsns.eu-central-1.amazonaws.com/a.pem",
            "https://sns.eu-central-1.amazonaws.com.cn.evil.example/",
            "//sns.eu-central-1.amazonaws.com/a.pem",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(ours(address, "eu-central-1"), None, "{address}");
        }
        assert_eq!(ours("https://sns..amazonaws.com/a.pem", ""), None);
        assert_eq!(ours("https://sns.evil.example/.amazonaws.com/a.pem", "evil.example/"), None);
    }

    #[test]
    fn what_is_signed_depends_on_what_it_is() {
        let envelope = |ty: &str| Envelope {
            ty: ty.into(),
            message_id: "id".into(),
            topic_arn: "arn".into(),
            message: "hello".into(),
            timestamp: "now".into(),
            signature_version: "2".into(),
            signature: String::new(),
            signing_cert_url: String::new(),
            subject: Some("subject".into()),
            token: Some("token".into()),
            subscribe_url: Some("url".into()),
        };
        assert_eq!(
            envelope("Notification").signed(),
            "Message\nhello\nMessageId\nid\nSubject\nsubject\nTimestamp\nnow\nTopicArn\narn\nType\nNotification\n"
        );
        assert_eq!(
            envelope("SubscriptionConfirmation").signed(),
            "Message\nhello\nMessageId\nid\nSubscribeURL\nurl\nTimestamp\nnow\nToken\ntoken\nTopicArn\narn\nType\nSubscriptionConfirmation\n"
        );
    }
}
