//! A real server, killed at random moments while users come in, flows wait and mail goes out; and what it stands on, taken away: the
//! database dies, the clock jumps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use segflow_core::ids;

use crate::harness::mysqld::Mysqld;
use crate::harness::program::{Process, Segflow};
use crate::harness::smtp::Smtp;
use crate::harness::*;

both![nothing_is_lost_and_nothing_is_accepted_twice, it_may_die_at_every_commit, the_clock_may_jump];

/// How often servers are killed at random, in each of three surroundings; `SEGFLOW_TEST_KILLS` says otherwise, for a soak.
const KILLS: usize = 17;

/// How many commits the story of one user takes, about; heartbeats come in between.
const COMMITS: u32 = 9;

/// How many messages a server sends at once.
const CONNECTIONS: usize = 16;

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

/// Whether all of it was: each item of a batch has its own answer.
async fn acknowledged(answer: reqwest::Result<reqwest::Response>) -> bool {
    let Ok(answer) = answer else { return false };
    if answer.status() != 200 {
        return false;
    }
    let Ok(answer) = answer.json::<Value>().await else { return false };
    let done = |item: &Value| item["status"].as_i64().is_some_and(|status| status < 300);
    answer["results"].as_array().is_none_or(|items| items.iter().all(done))
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
        if acknowledged(answer).await {
            told.users.lock().unwrap().insert(user.clone());
            if with_order {
                told.orders.lock().unwrap().insert(user);
            }
            n += 1;
        }
        // A trickle is enough to be in the middle of something.
        until("the mail keeps up", || async {
            let room = told.count() <= smtp.count() + 40;
            (room || stop.load(Ordering::SeqCst)).then_some(())
        })
        .await;
    }
}

async fn nothing_is_lost_and_nothing_is_accepted_twice(db: Database) {
    killed_at_random(db, 1).await;
}

#[test]
fn nothing_is_lost_by_three_servers() {
    run(Kind::MySql, async |db: Database| killed_at_random(db, 3).await);
}

/// Servers on one database, of which again and again one is killed and started anew.
#[allow(clippy::print_stdout, reason = "with the seed, a failure can be tried again")]
async fn killed_at_random(db: Database, servers: usize) {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = given("SEGFLOW_TEST_SEED")
        .unwrap_or_else(|| u64::from_str_radix(&crate::harness::database::random(), 16).expect("hex"));
    let kills = given("SEGFLOW_TEST_KILLS").map_or(KILLS, |kills| kills as usize);
    println!("SEGFLOW_TEST_SEED={seed}");
    let smtp = Smtp::start().await;
    let segflow = surroundings(&db, &smtp);
    let start = || Process::start(serve(&segflow));

    let mut processes = vec![start().await];
    let key = processes[0].key.clone();
    processes[0].client().push(plugins::mailer()).await;
    while processes.len() < servers {
        processes.push(start().await);
    }
    let url = Arc::new(Mutex::new(processes[0].client()));
    let (told, stop) = (Arc::<Acknowledged>::default(), Arc::<AtomicBool>::default());
    let reporters: Vec<_> =
        (0..2).map(|me| tokio::spawn(report(url.clone(), smtp.clone(), told.clone(), stop.clone(), me))).collect();

    let mut under_way = 0;
    for kill in 0..kills {
        // Some way into what is going on: users acknowledged and messages accepted since the start, together.
        let progress = || told.count() + smtp.count();
        let further = progress() + 1 + (ids::random(seed, 2 * kill as u64) % 100) as usize;
        until("something is going on", || async { (progress() >= further).then_some(()) }).await;
        let victim = ids::random(seed, 2 * kill as u64 + 1) as usize % servers;
        processes.swap_remove(victim).kill().await;
        under_way += usize::from(db.count("SELECT COUNT(*) FROM messages WHERE status = 'sending'").await > 0);
        processes.push(start().await);
        *url.lock().unwrap() = Client::new(&processes[servers - 1].url, &key);
    }
    stop.store(true, Ordering::SeqCst);
    for reporter in reporters {
        reporter.await.expect("ended");
    }

    let client = Client::new(&processes[0].url, &key);
    let of = settled(&client, &db, &smtp, kills).await;
    check(&of, &told);
    println!(
        "{kills} kills of {servers} servers, {under_way} while mail was on its way: {} users acknowledged, {} messages, {} of \
         unknown fate, none lost, none twice",
        told.count(),
        of.values().map(Vec::len).sum::<usize>(),
        client.items("/v1/messages?status=unknown").await.len(),
    );
    for process in processes {
        assert_eq!(process.stop().await.code, 0);
    }
}

/// MySQL is killed under the server while all goes on, and comes back on the same data each time.
#[test]
fn the_database_may_die() {
    alone(async {
        let mut mysqld = Mysqld::start().await;
        let db = Database::on(Kind::MySql, &mysqld.url).await;
        let smtp = Smtp::start().await;
        let segflow = surroundings(&db, &smtp);
        let process = Process::start(serve(&segflow)).await;
        let client = process.client();
        client.push(plugins::mailer()).await;
        let at = Arc::new(Mutex::new(process.client()));
        let (told, stop) = (Arc::<Acknowledged>::default(), Arc::<AtomicBool>::default());
        let reporter = tokio::spawn(report(at, smtp.clone(), told.clone(), stop.clone(), 0));
        for further in [30, 60, 10] {
            let progress = || told.count() + smtp.count();
            let further = progress() + further;
            until("something is going on", || async { (progress() >= further).then_some(()) }).await;
            mysqld.restart().await;
        }
        let further = told.count() + 5;
        until("it goes on", || async { (told.count() >= further).then_some(()) }).await;
        stop.store(true, Ordering::SeqCst);
        reporter.await.expect("ended");
        // The server lived through it all and knows the fate of each message.
        let of = settled(&client, &db, &smtp, 0).await;
        check(&of, &told);
        assert_eq!(process.stop().await.code, 0);
    });
}

/// The machine's clock is set an hour forward and back while all goes on: whoever waits, waits shorter or longer, and nothing else.
async fn the_clock_may_jump(db: Database) {
    const HOUR: i64 = 3_600_000;
    let smtp = Smtp::start().await;
    let mut segflow = surroundings(&db, &smtp);
    let file = segflow.home.path().join("clock");
    segflow.set("SEGFLOW_CLOCK", file.to_str().expect("text"));
    let process = Process::start(serve(&segflow)).await;
    let client = process.client();
    client.push(plugins::mailer()).await;
    let at = Arc::new(Mutex::new(process.client()));
    let (told, stop) = (Arc::<Acknowledged>::default(), Arc::<AtomicBool>::default());
    let reporter = tokio::spawn(report(at, smtp.clone(), told.clone(), stop.clone(), 0));
    for jump in [HOUR, 0, -HOUR, 0] {
        let further = told.count() + 10;
        until("something is going on", || async { (told.count() >= further).then_some(()) }).await;
        std::fs::write(&file, jump.to_string()).expect("written");
    }
    let further = told.count() + 10;
    until("it goes on", || async { (told.count() >= further).then_some(()) }).await;
    stop.store(true, Ordering::SeqCst);
    reporter.await.expect("ended");
    // Those who began to wait in the hour that came too early wait for it to come again.
    let waiting = client.items("/v1/campaigns/pair/enrollments?status=active").await.len();
    assert!(waiting > 0, "nobody was in the middle of something");
    std::fs::write(&file, (2 * HOUR).to_string()).expect("written");
    let of = settled(&client, &db, &smtp, 0).await;
    check(&of, &told);
    assert_eq!(process.stop().await.code, 0);
}

/// A `segflow serve` in surroundings of its own, told to send to a mail server.
fn surroundings(db: &Database, smtp: &Smtp) -> Segflow {
    let mut segflow = Segflow::new();
    segflow.set("SMTP_URL", &smtp.url());
    segflow.set("DATABASE_URL", &db.url());
    segflow.set("SEGFLOW_LEASE_SECONDS", "1");
    segflow.set("SEGFLOW_GRACE_SECONDS", "0");
    segflow.set("RUST_LOG", "warn");
    let cache = segflow.home.path().join("segflow.toml");
    std::fs::write(&cache, format!("cache = {:?}\n", plugins::compiled())).expect("written");
    segflow
}

fn serve(segflow: &Segflow) -> std::process::Command {
    segflow.command(["serve", "--port", "0", "--init-key", "--config", "segflow.toml"])
}

/// Waits until nothing moves, and holds the ledger against what the mail server accepted. Returns the templates sent to each user.
async fn settled(client: &Client, db: &Database, smtp: &Smtp, deaths: usize) -> BTreeMap<String, Vec<String>> {
    // A receipt that was on its way at several deaths is tried again ever later.
    let patience = PATIENCE + Duration::from_secs(2 * deaths as u64);
    within(patience, "all is settled", || async {
        let mut moving = client.items("/v1/messages?status=pending").await.len()
            + client.items("/v1/messages?status=sending").await.len();
        moving += client.items("/v1/campaigns/pair/enrollments?status=active").await.len();
        let inbox = db.count("SELECT COUNT(*) FROM inbox").await;
        (moving == 0 && inbox == 0).then_some(())
    })
    .await;
    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    for mail in smtp.accepted() {
        *accepted.entry(mail.id).or_default() += 1;
    }
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut unknown = 0;
    for message in client.items("/v1/messages").await {
        let text = |field: &str| message[field].as_str().unwrap().to_string();
        of.entry(text("user_id")).or_default().push(text("template"));
        let times = accepted.remove(&text("id")).unwrap_or(0);
        match (text("guarantee").as_str(), text("status").as_str()) {
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
    assert!(unknown <= CONNECTIONS * deaths, "{unknown} unknown");
    of
}

/// Holds what was sent against what was acknowledged.
fn check(of: &BTreeMap<String, Vec<String>>, told: &Acknowledged) {
    let (users, orders) = (told.users.lock().unwrap(), told.orders.lock().unwrap());
    assert!(users.len() >= 10, "{}", users.len());
    for user in users.iter() {
        let mut templates = of.get(user).unwrap_or_else(|| panic!("{user} was acknowledged and lost")).clone();
        templates.sort_unstable();
        let expected: &[&str] =
            if orders.contains(user) { &["first", "receipt", "second"] } else { &["first", "second"] };
        assert_eq!(templates, expected, "{user}");
    }
}

/// The server dies just before and just after each commit that the story of a user takes, from the first word about them to the last
/// outcome of their mail, and whatever else it commits meanwhile.
async fn it_may_die_at_every_commit(db: Database) {
    let smtp = Smtp::start().await;
    let mut segflow = surroundings(&db, &smtp);
    let file = segflow.home.path().join("die");
    segflow.set("SEGFLOW_DIE", file.to_str().expect("text"));
    let mut process = Process::start(serve(&segflow)).await;
    let key = process.key.clone();
    process.client().push(plugins::mailer()).await;
    let told = Acknowledged::default();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let mut deaths = 0;
    for at in 1..=COMMITS {
        for side in ["before", "after"] {
            std::fs::write(&file, format!("{side} {at}")).expect("written");
            let user = format!("{side}-{at}");
            let with_order = at % 2 == 0;
            let batch = json!({"batch": [
                {"type": "identify", "user_id": user, "attributes": {"email": format!("{user}@x.example")}},
                {"type": "track", "user_id": user, "name": "order", "id": "1", "attributes": {"number": "1"}},
            ]});
            let batch = if with_order { batch } else { json!({ "batch": [batch["batch"][0]] }) };
            // Reported until it is acknowledged; the server may be dead by then, or die of it later.
            loop {
                let url = format!("{}/v1/batch", process.url);
                let answer = http.post(url).bearer_auth(&key).json(&batch).send().await;
                if acknowledged(answer).await {
                    break;
                }
                let _ = std::fs::remove_file(&file);
                deaths += usize::from(process.is_gone());
                process = Process::start(serve(&segflow)).await;
            }
            told.users.lock().unwrap().insert(user.clone());
            if with_order {
                told.orders.lock().unwrap().insert(user.clone());
            }
            if file.exists() {
                // It dies on the way, or the way has fewer commits.
                let ended = async {
                    let mails = || smtp.accepted().iter().filter(|mail| mail.to.starts_with(&user)).count();
                    while !process.is_gone() && mails() < 2 + usize::from(with_order) {
                        pause().await;
                    }
                };
                tokio::time::timeout(PATIENCE, ended).await.expect("it is dead or done");
                let _ = std::fs::remove_file(&file);
                if process.is_gone() {
                    deaths += 1;
                } else {
                    process.kill().await;
                }
                process = Process::start(serve(&segflow)).await;
            }
        }
    }
    let client = Client::new(&process.url, &key);
    let of = settled(&client, &db, &smtp, 2 * deaths.max(1)).await;
    check(&of, &told);
    assert!(deaths >= COMMITS as usize, "it died {deaths} times");
    assert_eq!(process.stop().await.code, 0);
}
