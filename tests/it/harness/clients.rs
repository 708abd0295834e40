//! The vendors' own client libraries, in Node and Python: installed once, by npm and pip as they are set up on this machine, into
//! `vendors` in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

use segflow_tests::peers;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::plugins::root;

/// What the library of a vendor says of some recipients, by recipient.
pub async fn node(vendor: &str, url: &str, key: &str, names: &[&str]) -> Value {
    told(script("clients.mjs").await.args([vendor, url, key]).args(names), "").await
}

/// What the library of a vendor says of a webhook, with all that it needs for it.
pub async fn webhook(vendor: &str, given: &Value) -> Value {
    told(script("webhooks.mjs").await.arg(vendor), &given.to_string()).await
}

async fn script(name: &str) -> Command {
    let home = install("node", "package.json", |folder| {
        // Node looks for packages beside the file.
        peers::output(process::Command::new("npm").args(peers::NPM).current_dir(folder), "");
    })
    .await;
    let script = home.join(name);
    write(&script, &fs::read_to_string(source(name)).expect("the script"));
    let mut command = Command::new("node");
    command.arg(script).current_dir(home);
    command
}

/// What boto3 says of some recipients, by recipient.
pub async fn boto(url: &str, key_id: &str, key: &str, region: &str, names: &[&str]) -> Value {
    told(python().await.args(["ses", url, key_id, key, region]).args(names), "").await
}

/// Whether dkimpy finds the signature of a message right, by a public key as it stands in the DNS.
pub async fn dkim_verifies(message: &str, public: &str) -> bool {
    told(python().await.args(["verify", public]), message).await["verifies"] == true
}

/// A message of a topic as moto signs it: `{"envelope": …, "pem": …}`.
pub async fn sns(topic: &str, message: &str) -> Value {
    told(python().await.args(["sns", topic]), message).await
}

/// An RSA key, private as PKCS#1 PEM and public as it stands in the DNS.
pub async fn dkim_key() -> (String, String) {
    let private = output(Command::new("openssl").args(["genrsa", "-traditional", "2048"]), "").await;
    let public = output(Command::new("openssl").args(["rsa", "-pubout"]), &private).await;
    (private, public.lines().filter(|line| !line.starts_with("-----")).collect())
}

/// An IMAP server that forgets everything when it ends, with the account of [`super::imap`].
pub async fn pymap(port: u16, account: (&str, &str)) -> Command {
    let mut command = Command::new(python_home().await.join("venv/bin/pymap"));
    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--no-service", "admin", "dict", "--demo-data"]);
    command.args(["--demo-user", account.0, "--demo-password", account.1]);
    command
}

async fn python() -> Command {
    let mut command = Command::new(python_home().await.join("venv/bin/python"));
    command.arg(source("clients.py"));
    command
}

async fn python_home() -> PathBuf {
    install("python", "requirements.txt", |folder| {
        let venv = ["-m", "venv", "--clear", "venv"];
        peers::output(process::Command::new("python3").args(venv).current_dir(folder), "");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
        peers::output(process::Command::new("venv/bin/python").args(pip).current_dir(folder), "");
    })
    .await
}

fn source(name: &str) -> PathBuf {
    root().join("tests/vendors").join(name)
}

/// Installs what a file lists, unless exactly that has been installed; the folder.
async fn install(name: &str, list: &str, install: impl FnOnce(&Path)) -> PathBuf {
    tokio::task::block_in_place(|| peers::installed(name, &source(list), install))
}

/// Other tests may be reading it: it is replaced as a whole.
fn write(path: &Path, text: &str) {
    let new = path.with_extension(super::database::random());
    fs::write(&new, text).expect("written");
    fs::rename(new, path).expect("renamed");
}

async fn told(command: &mut Command, input: &str) -> Value {
    let text = output(command, input).await;
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// What a program prints.
async fn output(command: &mut Command, input: &str) -> String {
    let shown = format!("{:?}", command.as_std());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot run {shown}: {e}"));
    let mut stdin = child.stdin.take().expect("piped");
    let text = input.to_string();
    // One that reads nothing may be gone before it is told.
    let telling = tokio::spawn(async move { drop(stdin.write_all(text.as_bytes()).await) });
    let limit = std::time::Duration::from_secs(300);
    let output = tokio::time::timeout(limit, child.wait_with_output()).await.expect("it ends").expect("its output");
    telling.await.expect("told");
    assert!(output.status.success(), "{shown} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
