//! What vendors tell of messages, written and signed as they do it.

use std::fs;
use std::process::Command;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use segflow_tests::peers;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::harness::{Answer, Client};

pub const PASSWORD: &str = "correct:horse";
pub const RESEND: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:mail";

/// A call, ready to be made: headers and body.
#[derive(Clone)]
pub struct Told {
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Told {
    fn new(provider: &str, headers: Vec<(&'static str, String)>, body: impl Into<Vec<u8>>) -> Told {
        Told { path: format!("/webhooks/main/{provider}"), headers, body: body.into() }
    }

    /// Says it to a server, without any key.
    pub async fn say(&self, to: &Client) -> Answer {
        let anybody = Client::new(to.base.clone(), "");
        let request = anybody.request(Method::POST, &self.path).body(self.body.clone());
        anybody.send(self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value))).await
    }

    /// The same with another header of that name.
    pub fn with(mut self, name: &'static str, value: &str) -> Told {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    fn below(mut self, path: &str) -> Told {
        self.path = format!("{}/{path}", self.path);
        self
    }

    pub fn without_headers(self) -> Told {
        Told { headers: vec![], ..self }
    }

    pub fn with_body(self, body: &[u8]) -> Told {
        Told { body: body.to_vec(), ..self }
    }
}

pub fn postmark(body: &Value) -> Told {
    let basic = format!("Basic {}", STANDARD.encode(format!("segflow:{PASSWORD}")));
    Told::new("postmark", vec![("authorization", basic)], body.to_string())
}

/// A mail as Postmark's inbound stream brings it: fields of its header, its text, and what Postmark thinks is the answer in it.
pub fn postmark_mail(fields: &[(&str, &str)], text: &str, stripped: &str) -> Told {
    let field = |name: &str| fields.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| *value);
    let headers: Vec<Value> = fields.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
    let body = json!({
        "FromName": "Somebody", "MessageStream": "inbound", "From": field("From"),
        "FromFull": { "Email": field("From"), "Name": "Somebody", "MailboxHash": "" },
        "To": "answers@in.segflow.example",
        "ToFull": [{ "Email": "answers@in.segflow.example", "Name": "", "MailboxHash": "" }],
        "Cc": "", "CcFull": [], "Bcc": "", "BccFull": [], "OriginalRecipient": "answers@in.segflow.example",
        "Subject": field("Subject"), "MessageID": "22c74902-a0c1-4511-804f-341342852c90", "ReplyTo": "", "MailboxHash": "",
        "Date": "Mon, 5 Jan 2026 10:00:00 +0100", "TextBody": text, "HtmlBody": "", "StrippedTextReply": stripped, "Tag": "",
        "Headers": headers, "Attachments": [{ "Name": "a.txt", "Content": "YQ==", "ContentType": "text/plain", "ContentLength": 1 }],
    });
    postmark(&body).below("replies")
}

/// A form as SendGrid's Inbound Parse sends it.
pub fn sendgrid_mail(parts: &[(&str, &[u8])]) -> Told {
    let boundary = "xYzZY";
    let mut body = vec![];
    for (name, value) in parts {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
        body.extend(*value);
        body.extend(b"\r\n");
    }
    let attached = "Content-Disposition: form-data; name=\"attachment1\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\na\r\n";
    body.extend(format!("--{boundary}\r\n{attached}--{boundary}--\r\n").bytes());
    let basic = format!("Basic {}", STANDARD.encode(format!("segflow:{PASSWORD}")));
    let headers = vec![("authorization", basic), ("content-type", format!("multipart/form-data; boundary={boundary}"))];
    Told::new("sendgrid", headers, body).below("replies")
}

#[allow(clippy::disallowed_methods, reason = "vendors sign with the time that it is")]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

pub fn resend(body: &Value, at: i64) -> Told {
    let (id, body) = ("msg_1", body.to_string());
    let key = STANDARD.decode(RESEND.trim_start_matches("whsec_")).expect("a key");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do");
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let headers = vec![("svix-id", id.to_string()), ("svix-timestamp", at.to_string()), ("svix-signature", signature)];
    Told::new("resend", headers, body)
}

/// A key of SendGrid's.
pub struct SendGrid {
    pair: EcdsaKeyPair,
}

impl SendGrid {
    pub fn new() -> SendGrid {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        SendGrid { pair: EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).expect("a key") }
    }

    /// The verification key as SendGrid shows it.
    pub fn shown(&self) -> String {
        let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let head = (0..head.len()).step_by(2).map(|at| u8::from_str_radix(&head[at..at + 2], 16).expect("hex"));
        STANDARD.encode(head.chain(self.pair.public_key().as_ref().iter().copied()).collect::<Vec<u8>>())
    }

    pub fn tell(&self, body: &Value) -> Told {
        let (at, body) = (now().to_string(), body.to_string());
        let signature = self.pair.sign(&SystemRandom::new(), format!("{at}{body}").as_bytes()).expect("signed");
        let headers = vec![
            ("x-twilio-email-event-webhook-signature", STANDARD.encode(signature)),
            ("x-twilio-email-event-webhook-timestamp", at),
        ];
        Told::new("sendgrid", headers, body)
    }
}

/// A key and a certificate of Amazon's.
pub struct Sns {
    folder: TempDir,
    pub certificate: String,
}

impl Sns {
    pub fn new() -> Sns {
        let folder = tempfile::tempdir().expect("a folder");
        let make = [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=sns.amazonaws.com",
            "-days",
            "2",
            "-keyout",
            "key",
            "-out",
            "pem",
        ];
        peers::output(Command::new("openssl").args(make).current_dir(&folder), "");
        let certificate = fs::read_to_string(folder.path().join("pem")).expect("a certificate");
        Sns { folder, certificate }
    }

    /// An envelope with a message, signed in either version.
    pub fn tell(&self, version: &str, message: &Value) -> Told {
        self.seal(version, json!({ "Type": "Notification", "Message": message.to_string() }))
    }

    pub fn ask(&self, subscribe_at: &str) -> Told {
        let asks = json!({
            "Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe", "Token": "2336", "SubscribeURL": subscribe_at,
        });
        self.seal("1", asks)
    }

    /// What is not said is as it should be.
    pub fn seal(&self, version: &str, envelope: Value) -> Told {
        let mut whole = json!({
            "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "TopicArn": TOPIC, "Timestamp": "2026-01-01T09:00:00.000Z",
            "SignatureVersion": version, "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
            "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
        });
        whole.as_object_mut().expect("an object").extend(envelope.as_object().expect("an object").clone());
        let mut names =
            vec!["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];
        names.retain(|name| whole[*name].is_string());
        let signed: String =
            names.iter().map(|name| format!("{name}\n{}\n", whole[*name].as_str().expect("text"))).collect();
        let hash = if version == "1" { "-sha1" } else { "-sha256" };
        let told = peers::output(
            Command::new("openssl").args(["dgst", hash, "-hex", "-sign", "key"]).current_dir(&self.folder),
            &signed,
        );
        let digits = told.trim().rsplit(' ').next().expect("digits").to_string();
        let signature =
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex"));
        whole["Signature"] = STANDARD.encode(signature.collect::<Vec<u8>>()).into();
        Told::new("ses", vec![("content-type", "text/plain; charset=UTF-8".into())], whole.to_string())
    }
}
