//! What others wrote, to be held against: installed once, by npm and pip as they are set up on this machine, into `vendors` in the cache
//! folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where npm installs without running anything of what it installs.
pub const NPM: [&str; 5] = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];

/// The folder with everything that the list `list` names, in which `install` was run unless exactly that was installed before. One test
/// installs, the others wait.
pub fn installed(name: &str, list: &Path, install: impl FnOnce(&Path)) -> PathBuf {
    let set = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("SEGFLOW_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("segflow")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/segflow")))
        .expect("a folder to install into: set SEGFLOW_CACHE, XDG_CACHE_HOME or HOME");
    let folder = std::path::absolute(cache).expect("a path").join("vendors").join(name);
    fs::create_dir_all(&folder).expect("a folder");
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let wanted = fs::read_to_string(list).expect("the list");
    if fs::read_to_string(folder.join("installed")).is_ok_and(|text| text == wanted) {
        return folder;
    }
    fs::write(folder.join(list.file_name().expect("a name")), &wanted).expect("written");
    install(&folder);
    fs::write(folder.join("installed"), wanted).expect("written");
    folder
}

/// What a program prints; it has to succeed.
pub fn output(command: &mut Command, input: &str) -> String {
    use std::io::Write as _;
    let shown = format!("{command:?}");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|e| panic!("cannot run {shown}: {e}"));
    let mut stdin = child.stdin.take().expect("piped");
    let text = input.to_string();
    // One that reads nothing may be gone before it is told.
    let telling = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("its output");
    telling.join().expect("told");
    assert!(output.status.success(), "{shown} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
