//! The fakes of the vendors, against the vendors' own client libraries: these must understand what the fakes say, as they do the vendors.

use crate::harness::vendors::{Case, Fake, Say, postmark, resend, sendgrid, ses};
use crate::harness::*;

/// Cases that a library can be asked about: it waits for what never comes, and tries again by itself what it takes for an accident.
fn asked(cases: &[Case]) -> Vec<&'static str> {
    let clear = cases.iter().filter(|case| !matches!(case.answer, Say::Cut | Say::Mumble));
    clear.map(|case| case.to).collect()
}

#[test]
fn the_library_of_postmark_understands_the_fake() {
    alone(async {
        let fake = Fake::start(postmark::vendor).await;
        let told = clients::node("postmark", &fake.url, postmark::TOKEN, &asked(postmark::CASES)).await;
        // And finds by their metadata what it has sent.
        let of = "id-of-ada@x.example";
        let found = json!([2, format!("pm-2 Sent {of}"), format!("pm-1 Sent {of}")]);
        assert_eq!(
            told["ada"],
            json!({ "id": "pm-1", "many": "pm-2", "found": found, "elsewhere": [0], "nowhere": [0], "refused": "ApiInputError" }),
            "{told}"
        );
        for (name, error, code) in [
            ("inactive", "InactiveRecipientsError", 406),
            ("invalid", "InvalidEmailRequestError", 300),
            ("unsigned", "ApiInputError", 400),
            ("blocked", "ApiInputError", 413),
            ("error", "InternalServerError", 0),
            ("away", "ServiceUnavailablerError", 0),
            ("fast", "RateLimitExceededError", 429),
        ] {
            assert_eq!((&told[name]["error"], &told[name]["code"]), (&json!(error), &json!(code)), "{name}: {told}");
        }
        let told = clients::node("postmark", &fake.url, "wrong", &["ada"]).await;
        assert_eq!((&told["ada"]["error"], &told["ada"]["code"]), (&json!("InvalidAPIKeyError"), &json!(10)), "{told}");
    });
}

#[test]
fn the_library_of_sendgrid_understands_the_fake() {
    alone(async {
        let fake = Fake::start(sendgrid::vendor).await;
        let told = clients::node("sendgrid", &fake.url, sendgrid::KEY, &asked(sendgrid::CASES)).await;
        assert_eq!(told["ada"], json!({ "id": "sg-1", "status": 202 }), "{told}");
        assert_eq!(fake.taken()[0].body["content"][0]["type"], "text/plain", "as the library orders it");
        for case in sendgrid::CASES {
            if let Say::No(status, _) = case.answer {
                assert_eq!(told[case.to]["code"], status, "{}: {told}", case.to);
            }
        }
        assert_eq!(told["invalid"]["message"], "Does not contain a valid address.");
        let told = clients::node("sendgrid", &fake.url, "SG.wrong", &["ada"]).await;
        assert_eq!(told["ada"]["code"], 401, "{told}");
    });
}

#[test]
fn the_library_of_resend_understands_the_fake() {
    alone(async {
        let fake = Fake::start(resend::vendor).await;
        let told = clients::node("resend", &fake.url, resend::KEY, &asked(resend::CASES)).await;
        assert_eq!(
            told["ada"],
            json!({ "id": "re-1", "again": "re-1", "other": "invalid_idempotent_request" }),
            "{told}"
        );
        for case in resend::CASES {
            if let Say::No(status, text) = case.answer {
                let body: Value = serde_json::from_str(text.split('|').next().unwrap()).expect("JSON");
                assert_eq!(
                    (&told[case.to]["error"], &told[case.to]["status"]),
                    (&body["name"], &json!(status)),
                    "{}: {told}",
                    case.to
                );
            }
        }
        let told = clients::node("resend", &fake.url, "re_wrong", &["ada"]).await;
        assert_eq!(told["ada"]["error"], "invalid_api_key", "{told}");
    });
}

/// With it the signatures of Segflow: the fake checks with Segflow's code what boto3 has signed.
#[test]
fn boto3_understands_the_fake_of_ses() {
    alone(async {
        let fake = Fake::start(ses::vendor).await;
        let names = asked(ses::CASES);
        let told = clients::boto(&fake.url, ses::KEY_ID, ses::KEY, ses::REGION, &names).await;
        assert_eq!(told["ada"], json!({ "id": "ses-1" }), "{told}");
        assert_eq!(told["account"]["MaxSendRate"], f64::from(ses::RATE), "{told}");
        assert_eq!(told["account"]["Max24HourSend"], f64::from(ses::QUOTA), "{told}");
        assert_eq!(fake.taken()[0].id, "msg_ada");
        for (name, error, status) in [
            ("invalid", "BadRequestException", 400),
            ("content", "MessageRejected", 400),
            ("from", "MailFromDomainNotVerifiedException", 400),
            ("paused", "SendingPausedException", 400),
            ("suspended", "AccountSuspendedException", 400),
            ("quota", "LimitExceededException", 400),
            ("fast", "TooManyRequestsException", 429),
        ] {
            // As exceptions of their own, which the library makes of names that it knows.
            assert_eq!(
                (&told[name]["error"], &told[name]["status"]),
                (&json!(error), &json!(status)),
                "{name}: {told}"
            );
        }
        let told = clients::boto(&fake.url, ses::KEY_ID, "wrong", ses::REGION, &["ada"]).await;
        assert_eq!(told["ada"]["code"], "SignatureDoesNotMatch", "{told}");
        let told = clients::boto(&fake.url, "AKIDWRONG", ses::KEY, ses::REGION, &["ada"]).await;
        assert_eq!(told["ada"]["code"], "UnrecognizedClientException", "{told}");
    });
}
