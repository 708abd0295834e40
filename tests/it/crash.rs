//! A real server, killed at random moments while users come in, flows wait and mail goes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use segflow_core::ids;

use crate::harness::program::{Process, Segflow};
use crate::harness::smtp::Smtp;
use crate::harness::*;

both![nothing_is_lost_and_nothing_is_accepted_twice];

const KILLS: u64 = 6;

/// How many messages a server sends at once.
const CONNECTIONS: usize = 8;

/// What has been acknowledged.
#[derive(Default)]
struct Acknowledged {
    users: Mutex<BTreeSet<String>>,
    orders: Mutex<BTreeSet<String>>,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.users.lock().unwrap().len()
    }
}

/// Reports users and orders until it is stopped, through all breaks. What is not answered is reported again, as a good client does.
async fn report(url: Arc<Mutex<Client>>, smtp: Smtp, told: Arc<Acknowledged>, stop: Arc<AtomicBool>, me: usize) {
    let http = {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client")
    };
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        let user = format!("u{me}-{n}");
        let batch = json!({"batch": [
            {"type": "identify", "user_id": user, "attributes": {"email": format!("{user}@x.example")}},
            {"type": "track", "user_id": user, "name": "order", "id": "1", "attributes": {"number": "1"}},
        ]});
        let (base, key) = {
            let client = url.lock().unwrap();
            (client.base.clone(), client.key.clone())
        };
        let with_order = n % 5 == 0;
        let request = match with_order {
            true => http.post(format!("{base}/v1/batch")).json(&batch),
            false => http
                .patch(format!("{base}/v1/users/{user}"))
                .json(&json!({"attributes": {"email": format!("{user}@x.example")}})),
        };
        let answer = request.bearer_auth(key).send().await;
        if answer.is_ok_and(|answer| answer.status() == 200) {
            told.users.lock().unwrap().insert(user.clone());
            if with_order {
                told.orders.lock().unwrap().insert(user);
            }
            n += 1;
        }
        // A trickle is enough to be in the middle of something.
        until("the mail keeps up", || async {
            let room = told.count() <= smtp.accepted().len() + 40;
            (room || stop.load(Ordering::SeqCst)).then_some(())
        })
        .await;
    }
}

#[allow(clippy::print_stdout, reason = "with the seed, a failure can be tried again")]
async fn nothing_is_lost_and_nothing_is_accepted_twice(db: Database) {
    let seed = std::env::var("SEGFLOW_TEST_SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from_str_radix(&crate::harness::database::random(), 16).expect("hex"));
    println!("SEGFLOW_TEST_SEED={seed}");
    let smtp = Smtp::start().await;
    let mut segflow = Segflow::new();
    segflow.set("SMTP_URL", &smtp.url());
    segflow.set("DATABASE_URL", &db.url());
    segflow.set("SEGFLOW_LEASE_SECONDS", "1");
    segflow.set("SEGFLOW_GRACE_SECONDS", "0");
    segflow.set("RUST_LOG", "warn");
    let cache = segflow.home.path().join("segflow.toml");
    std::fs::write(&cache, format!("cache = {:?}\n", plugins::compiled())).expect("written");
    let start = || Process::start(segflow.command(["serve", "--port", "0", "--init-key", "--config", "segflow.toml"]));

    let mut process = start().await;
    let key = process.key.clone();
    process.client().push(plugins::mailer()).await;
    let url = Arc::new(Mutex::new(process.client()));
    let (told, stop) = (Arc::<Acknowledged>::default(), Arc::<AtomicBool>::default());
    let reporters: Vec<_> =
        (0..2).map(|me| tokio::spawn(report(url.clone(), smtp.clone(), told.clone(), stop.clone(), me))).collect();

    for kill in 0..KILLS {
        // Some way into what is going on: users acknowledged and messages accepted since the start, together.
        let progress = || told.count() + smtp.accepted().len();
        let further = progress() + 5 + (ids::random(seed, kill) % 120) as usize;
        until("something is going on", || async { (progress() >= further).then_some(()) }).await;
        process.kill().await;
        process = start().await;
        *url.lock().unwrap() = Client::new(&process.url, &key);
    }
    stop.store(true, Ordering::SeqCst);
    for reporter in reporters {
        reporter.await.expect("ended");
    }

    let client = Client::new(&process.url, &key);
    until("all is settled", || async {
        let mut moving = client.items("/v1/messages?status=pending").await.len()
            + client.items("/v1/messages?status=sending").await.len();
        moving += client.items("/v1/campaigns/pair/enrollments?status=active").await.len();
        let inbox = db.count("SELECT COUNT(*) FROM inbox").await;
        (moving == 0 && inbox == 0).then_some(())
    })
    .await;

    let messages = client.items("/v1/messages").await;
    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    for mail in smtp.accepted() {
        *accepted.entry(mail.id).or_default() += 1;
    }
    let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut unknown = 0;
    for message in &messages {
        let (id, status) = (message["id"].as_str().unwrap(), message["status"].as_str().unwrap());
        of.entry(message["user_id"].as_str().unwrap()).or_default().push(message["template"].as_str().unwrap());
        let times = accepted.remove(id).unwrap_or(0);
        match (message["guarantee"].as_str().unwrap(), status) {
            ("at_most_once", "sent") => assert_eq!(times, 1, "{message}"),
            ("at_most_once", "unknown") => {
                assert!(times <= 1, "accepted {times} times: {message}");
                unknown += 1;
            }
            ("at_least_once", "sent") => assert!(times >= 1, "{message}"),
            _ => panic!("{message}"),
        }
    }
    assert!(accepted.is_empty(), "mail that is not in the ledger: {accepted:?}");
    assert!(unknown <= CONNECTIONS * KILLS as usize, "{unknown} unknown");
    let told = (told.users.lock().unwrap().clone(), told.orders.lock().unwrap().clone());
    assert!(told.0.len() >= 10, "{}", told.0.len());
    for user in &told.0 {
        let templates = of.get_mut(user.as_str()).unwrap_or_else(|| panic!("{user} was acknowledged and lost"));
        templates.sort_unstable();
        let expected: &[&str] =
            if told.1.contains(user) { &["first", "receipt", "second"] } else { &["first", "second"] };
        assert_eq!(*templates, expected, "{user}");
    }
    println!("{} users, {} messages, {unknown} unknown after {KILLS} kills", told.0.len(), messages.len());
    assert_eq!(process.stop().await.code, 0);
}
