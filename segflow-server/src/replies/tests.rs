//! What vendors bring, as their documents show it. Whatever else comes is read without harm, and never without an end.

use axum::http::HeaderMap;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn postmark() -> ProviderKind {
    let text = String::new;
    ProviderKind::Postmark { token: text(), transactions: text(), campaigns: text(), url: None }
}

fn sendgrid() -> ProviderKind {
    ProviderKind::SendGrid { key: String::new(), url: None }
}

fn form(boundary: &str) -> HeaderMap {
    let value = format!("multipart/form-data; boundary={boundary}");
    HeaderMap::from_iter([("content-type".parse().expect("a name"), value.parse().expect("a value"))])
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

fn bounded(mail: &Arrived) -> bool {
    mail.reply.text.chars().count() <= LONGEST
        && mail.reply.subject.chars().count() <= SUBJECT
        && mail.answers.len() <= 50
}

#[test]
fn a_mail_of_postmarks_inbound_stream() {
    let body = json!({
        "FromName": "Ada", "From": "ada@x.example", "FromFull": { "Email": "ada@x.example", "Name": "Ada", "MailboxHash": "" },
        "To": "answers@in.shop.example", "Subject": "Re: Hello", "MessageID": "22c74902-a0c1-4511-804f-341342852c90",
        "TextBody": "Yes.\n> Do you?", "HtmlBody": "", "StrippedTextReply": "",
        "Headers": [
            { "Name": "Message-ID", "Value": "<one@x.example>" },
            { "Name": "In-Reply-To", "Value": "<22c74902-a0c1-4511-804f-341342852c91@mtasv.net>" },
            { "Name": "References", "Value": "<msg_1@shop.example> <22c74902-a0c1-4511-804f-341342852c91@mtasv.net>" },
            { "Name": "X-Empty" },
        ],
        "Attachments": [{ "Name": "a", "Content": "YQ==", "ContentType": "text/plain", "ContentLength": 1 }],
    });
    let read = run(read(&postmark(), &HeaderMap::new(), body.to_string().into())).expect("a mail");
    assert_eq!(read.answers, ["22c74902-a0c1-4511-804f-341342852c91", "msg_1"]);
    assert_eq!((read.from.as_deref(), read.at), (Some("ada@x.example"), None));
    let reply =
        Reply { id: "one@x.example".into(), is_automatic: false, subject: "Re: Hello".into(), text: "Yes.".into() };
    assert_eq!(read.reply, reply);
    // A field that is null, or left out, is none.
    let least =
        json!({ "Subject": null, "TextBody": null, "HtmlBody": "<p>Yes</p>", "MessageID": "abc", "Headers": [] });
    let read = run(super::read(&postmark(), &HeaderMap::new(), least.to_string().into())).expect("a mail");
    assert_eq!((read.reply.id.as_str(), read.reply.text.as_str(), read.answers.len()), ("abc", "Yes", 0));
}

#[test]
fn a_mail_of_sendgrids_inbound_parse() {
    let parts = [
        ("headers", "From: Ada <ada@x.example>\nMessage-ID: <one@x.example>\nIn-Reply-To: <msg_1@shop.example>\n"),
        ("subject", "Re: Hello\r\nX-Evil: 1"),
        ("html", "<p>Yes</p>"),
    ];
    let part = |(name, value): &(&str, &str)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body: String = parts.iter().map(part).collect::<String>() + "--b--\r\n";
    let read = run(read(&sendgrid(), &form("b"), body.into())).expect("a mail");
    assert_eq!((read.answers.as_slice(), read.from.as_deref()), (&["msg_1".to_string()][..], Some("ada@x.example")));
    assert_eq!((read.reply.subject.as_str(), read.reply.text.as_str()), ("Re: Hello  X-Evil: 1", "Yes"));
}

#[test]
fn others_bring_none() {
    let none = run(read(&ProviderKind::Capture, &HeaderMap::new(), Bytes::new()));
    assert!(none.expect_err("nothing").contains("brings no answers"));
}

#[test]
fn what_is_ours_is_no_answer() {
    let manifest = Manifest {
        from: Some("The Shop <Hello@shop.example>".into()),
        reply_to: Some("answers@in.shop.example".into()),
        ..Manifest::default()
    };
    let from = |from: &str| mime::read(format!("From: {from}\n\n").as_bytes(), None);
    for own in ["hello@SHOP.example", "Somebody <answers@in.shop.example>"] {
        assert!(is_own(&manifest, &from(own)), "{own}");
    }
    for other in ["ada@x.example", "hello@shop.example.evil.example", ""] {
        assert!(!is_own(&manifest, &from(other)), "{other}");
    }
}

fn words() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "From: ",
        "Subject: ",
        "In-Reply-To: ",
        "References: ",
        "<",
        ">",
        "@",
        "\r\n",
        "\n",
        "\r\n\r\n",
        " ",
        "\t",
        "--b",
        "--b--",
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "=?utf-8?q?=C3?=",
        "=?x?b?",
        "On ",
        " wrote:",
        "> ",
        "-----",
        "____________________",
        "é",
        "\u{0}",
        "msg_1@x",
        ":",
        ";",
        "\"",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_mail_is_read(text in words(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(bounded(&mime::read(text.as_bytes(), None)));
        prop_assert!(bounded(&mime::read(&bytes, None)));
        prop_assert!(bounded(&mime::read(&[text.as_bytes(), &bytes].concat(), None)));
    }

    #[test]
    fn any_call_is_read_or_refused(text in words(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for body in [text.clone().into_bytes(), bytes.clone(), [b"--b\r\n", text.as_bytes(), b"--b--\r\n"].concat()] {
            for kind in [postmark(), sendgrid()] {
                if let Ok(mail) = run(read(&kind, &form("b"), body.clone().into())) {
                    prop_assert!(bounded(&mail));
                }
            }
        }
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"headers\"\r\n\r\n{text}\r\n--b--\r\n");
        if let Ok(mail) = run(read(&sendgrid(), &form("b"), part.into())) {
            prop_assert!(bounded(&mail));
        }
        let body = json!({ "Subject": text, "TextBody": text, "HtmlBody": text, "Headers": [{ "Name": "References", "Value": text }] });
        let mail = run(read(&postmark(), &HeaderMap::new(), body.to_string().into()));
        prop_assert!(bounded(&mail.expect("it is one")));
    }
}
