use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
};

use tempfile::TempDir;

use super::*;

fn none(_: &str) -> Option<String> {
    None
}

fn both(name: &str) -> Option<String> {
    match name {
        "SEGFLOW_URL" => Some("http://from.env/".to_owned()),
        "SEGFLOW_API_KEY" => Some("sk_env".to_owned()),
        _ => None,
    }
}

fn key_only(name: &str) -> Option<String> {
    (name == "SEGFLOW_API_KEY").then(|| "sk_env".to_owned())
}

/// A project folder and a home, both empty.
struct Place {
    project: TempDir,
    home: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { project: TempDir::new().unwrap(), home: TempDir::new().unwrap() }
    }

    fn surroundings(&self, env: fn(&str) -> Option<String>) -> Surroundings {
        Surroundings { env, folders: vec![self.project.path().to_owned()], credentials: Some(self.credentials()) }
    }

    fn credentials(&self) -> PathBuf {
        self.home.path().join(".segflow/credentials.json")
    }

    fn dotenv(&self, text: &str) {
        fs::write(self.project.path().join(".env"), text).unwrap();
    }

    fn dev(&self, url: &str) {
        fs::create_dir_all(self.project.path().join(".segflow")).unwrap();
        fs::write(DevFile::path(self.project.path()), format!("{{\"url\": \"{url}\", \"api_key\": \"sk_dev\"}}"))
            .unwrap();
    }

    fn remember(&self, name: Option<&str>, url: &str, key: &str) {
        let mut credentials = Credentials::read(&self.credentials()).unwrap();
        credentials.set(name, url, key);
        credentials.write(&self.credentials()).unwrap();
    }
}

async fn found(surroundings: &Surroundings) -> (String, String) {
    let target = find(None, surroundings).await.unwrap();
    (target.url, target.key)
}

fn pair(url: &str, key: &str) -> (String, String) {
    (url.to_owned(), key.to_owned())
}

/// Answers every request with 200 until the test ends.
fn healthy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    url
}

#[tokio::test]
async fn the_order_is_environment_dotenv_dev_credentials() {
    let place = Place::new();
    let message = find(None, &place.surroundings(none)).await.unwrap_err().to_string();
    assert!(message.starts_with("no server to talk to") && message.contains("segflow login URL"), "{message}");

    place.remember(None, "https://mail.shop.example/", "sk_home");
    assert_eq!(found(&place.surroundings(none)).await, pair("https://mail.shop.example", "sk_home"));

    let url = healthy();
    place.dev(&url);
    assert_eq!(found(&place.surroundings(none)).await, pair(&url, "sk_dev"));

    place.dotenv("SEGFLOW_URL=http://dotenv\nSEGFLOW_API_KEY=sk_dotenv\n");
    assert_eq!(found(&place.surroundings(none)).await, pair("http://dotenv", "sk_dotenv"));
    assert_eq!(found(&place.surroundings(both)).await, pair("http://from.env", "sk_env"));
}

#[tokio::test]
async fn a_dev_server_that_does_not_answer_is_passed_over() {
    let place = Place::new();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.dev(&format!("http://{gone}"));
    place.remember(None, "http://home", "sk_home");
    assert_eq!(found(&place.surroundings(none)).await, pair("http://home", "sk_home"));
}

#[tokio::test]
async fn half_a_pair_is_completed_or_refused() {
    let place = Place::new();
    let message = find(None, &place.surroundings(key_only)).await.unwrap_err().to_string();
    assert_eq!(message, "SEGFLOW_API_KEY is set (in the environment), SEGFLOW_URL is not: set both, or neither");
    place.dotenv("SEGFLOW_URL=http://dotenv\nSEGFLOW_API_KEY=sk_dotenv\n");
    assert_eq!(found(&place.surroundings(key_only)).await, pair("http://dotenv", "sk_env"));
}

#[tokio::test]
async fn a_named_server_goes_before_everything() {
    let place = Place::new();
    place.remember(None, "http://home", "sk_home");
    place.remember(Some("eu"), "http://eu", "sk_eu");
    place.remember(Some("us"), "http://us", "sk_us");
    let target = find(Some("eu"), &place.surroundings(both)).await.unwrap();
    assert_eq!((target.url.as_str(), target.key.as_str()), ("http://eu", "sk_eu"));
    assert_eq!(found(&place.surroundings(none)).await, pair("http://home", "sk_home"));
    let message = find(Some("asia"), &place.surroundings(none)).await.unwrap_err().to_string();
    assert!(message.contains("no server `asia`") && message.contains("eu, us"), "{message}");
}

#[cfg(unix)]
#[test]
fn credentials_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.remember(None, "http://home", "sk_home");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.credentials()), 0o600);
    assert_eq!(mode(place.credentials().parent().unwrap()), 0o700);
    let text = fs::read_to_string(place.credentials()).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        serde_json::json!({"url": "http://home", "api_key": "sk_home"})
    );
}

#[tokio::test]
async fn damaged_files_are_named() {
    let place = Place::new();
    fs::create_dir_all(place.credentials().parent().unwrap()).unwrap();
    fs::write(place.credentials(), "{").unwrap();
    let message = find(None, &place.surroundings(none)).await.unwrap_err().to_string();
    assert!(message.contains("credentials.json is not valid JSON"), "{message}");
    fs::write(place.credentials(), "{\"url\": \"http://x\"}").unwrap();
    let message = find(None, &place.surroundings(none)).await.unwrap_err().to_string();
    assert!(message.contains("lacks `url` or `api_key`"), "{message}");
}

#[test]
fn urls() {
    assert_eq!(server_url("https://mail.shop.example/").unwrap(), "https://mail.shop.example");
    assert_eq!(server_url("http://127.0.0.1:3000/segflow/").unwrap(), "http://127.0.0.1:3000/segflow");
    for wrong in ["mail.shop.example", "ftp://x", "http://user:pw@x", "http://x?y", ""] {
        assert!(server_url(wrong).is_err(), "{wrong}");
    }
    assert!(is_local("http://127.0.0.1:3000") && is_local("http://[::1]:1") && is_local("http://localhost"));
    assert!(!is_local("http://shop.example") && !is_local("http://10.0.0.1"));
}
