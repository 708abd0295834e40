//! Small modules that misbehave, each in one way.

use std::{path::Path, sync::Arc, time::Duration};

use segflow_core::{
    Plugin, PluginError,
    protocol::{ABI_VERSION, Json, Render, Request, Response, Turn, encode},
};

use super::{Host, Module, Rejected, limits::Budget, sha256};

/// A plugin whose `segflow_call` is given; the answer `Refused("hi")` lies at 16.
fn plugin(call: &str) -> Vec<u8> {
    plugin_with("(memory (export \"memory\") 2)", call)
}

fn plugin_with(items: &str, call: &str) -> Vec<u8> {
    let answer: String = encode(&Response::Refused("hi".into())).iter().map(|byte| format!("\\{byte:02x}")).collect();
    wat(&format!(
        r#"(module
            (import "segflow" "panic" (func $panic (param i32 i32)))
            {items}
            (data (i32.const 16) "{answer}")
            (data (i32.const 32) "panicked at src/lib.rs:31: index out of bounds")
            (func (export "segflow_abi") (result i32) (i32.const {ABI_VERSION}))
            (func (export "segflow_alloc") (param i32) (result i32) (i32.const 1024))
            (func $call (export "segflow_call") (param i32 i32) (result i64) {call}))"#
    ))
}

/// The end of a call that answers properly.
const ANSWER: &str = "(i64.const 0x10_0000_0004)";

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// With a budget that a test can exhaust.
fn host() -> Host {
    Host::with_budget(None, Budget { fuel: 20_000_000, describe_fuel: 40_000_000, ..Budget::default() }).unwrap()
}

fn load(host: &Host, wasm: &[u8]) -> Result<Arc<Module>, Rejected> {
    host.load(&sha256(wasm), wasm)
}

fn ask(plugin: &Module) -> Result<Response, PluginError> {
    plugin.call(&Request::Render(Render { template: "t".into(), user: Json("{}".into()), args: Json("{}".into()) }))
}

fn trap(host: &Host, wasm: &[u8]) -> String {
    match ask(&load(host, wasm).unwrap()) {
        Err(PluginError::Trap(why)) => why,
        other => panic!("expected a trap, got {other:?}"),
    }
}

fn rejected(wasm: &[u8]) -> (&'static str, String) {
    let Err(why) = load(&host(), wasm) else { panic!("was taken") };
    (why.code, why.message)
}

#[track_caller]
fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "{text:?} does not have {part:?}");
}

fn hi() -> Response {
    Response::Refused("hi".into())
}

#[test]
fn answers_and_every_call_is_the_first() {
    let counts = plugin_with(
        "(memory (export \"memory\") 2) (global $n (mut i32) (i32.const 0))",
        &format!(
            "(if (i32.or (global.get $n) (i32.load (i32.const 0))) (then unreachable))
             (global.set $n (i32.const 1)) (i32.store (i32.const 0) (i32.const 1)) {ANSWER}"
        ),
    );
    let host = host();
    let plugin = load(&host, &counts).unwrap();
    for _ in 0..5 {
        assert_eq!(ask(&plugin), Ok(hi()));
    }
    assert!(Arc::ptr_eq(&plugin, &load(&host, &counts).unwrap()));
    assert!(Arc::ptr_eq(&plugin, &host.get(&sha256(&counts)).unwrap()));
    assert!(host.get("0").is_none());
}

#[test]
fn what_does_not_end_is_stopped() {
    let host = host();
    let fuel = trap(&host, &plugin("(loop (br 0)) unreachable"));
    assert_has(&fuel, "stopped after 20000000 instructions");
    assert_has(&fuel, "(in call)");
    // Bulk operations are paid for by the byte.
    let fill = "(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x20000)) (br 0)) unreachable";
    assert_has(&trap(&host, &plugin(fill)), "stopped after 20000000 instructions");
    assert_has(&trap(&host, &plugin("(call $call (i32.const 0) (i32.const 0))")), "the stack is exhausted");

    let describing = load(&host, &plugin("(loop (br 0)) unreachable")).unwrap().call(&Request::Describe);
    let Err(PluginError::Trap(why)) = describing else { panic!("{describing:?}") };
    assert_has(&why, "stopped after 40000000 instructions");
}

#[test]
fn what_takes_too_long_is_tried_again_then_stopped() {
    let budget = Budget { fuel: u64::MAX, describe_fuel: u64::MAX, deadline: Duration::from_millis(100), attempts: 2 };
    let host = Host::with_budget(None, budget).unwrap();
    assert_has(&trap(&host, &plugin("(loop (br 0)) unreachable")), "took too long: 2 times");
    let fill = "(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x20000)) (br 0)) unreachable";
    assert_has(&trap(&host, &plugin(fill)), "took too long");
    assert_eq!(ask(&load(&host, &plugin(ANSWER)).unwrap()), Ok(hi()));
}

#[test]
fn memory_has_an_end() {
    let host = host();
    let grow = format!("(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) {ANSWER}");
    assert_eq!(ask(&load(&host, &plugin(&grow)).unwrap()), Ok(hi()));
    let forever = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    assert_has(&trap(&host, &plugin(forever)), "out of memory: a plugin has 64 MiB");
    assert_has(&trap(&host, &plugin("(i32.store (i32.const 0x20000) (i32.const 1)) (i64.const 0)")), "out of bounds");
}

#[test]
fn a_panic_tells_where() {
    let host = host();
    let panics = plugin("(call $panic (i32.const 32) (i32.const 46)) (loop (br 0)) unreachable");
    assert_eq!(trap(&host, &panics), "panicked at src/lib.rs:31: index out of bounds");
    let wild = plugin("(call $panic (i32.const -1) (i32.const -1)) unreachable");
    assert_has(&trap(&host, &wild), "outside its memory");
    assert_has(&trap(&host, &plugin("unreachable")), "aborted without a message");
}

#[test]
fn answers_are_not_trusted() {
    let host = host();
    for (answer, why) in [
        ("(i64.const 0xffff_ffff_0000_0004)", "outside its memory"),
        ("(i64.const 0x0001_fffe_0000_0004)", "outside its memory"),
        ("(i64.const 0x0000_0010_7fff_ffff)", "at most 8388608 are taken"),
        ("(i64.const 0x0000_0020_0000_0009)", "not a message of this version"),
        ("(i64.const 0x0000_0010_0000_0005)", "1 bytes too many"),
        ("(i64.const 0)", "not a message of this version"),
    ] {
        assert_has(&trap(&host, &plugin(answer)), why);
    }
    // `Manifest("hi")`, which was not asked for.
    let other = plugin("(i32.store8 (i32.const 16) (i32.const 0)) (i64.const 0x10_0000_0004)");
    assert_has(&trap(&host, &other), "answers another question");

    let alloc = wat(&format!(
        r#"(module (memory (export "memory") 1)
            (func (export "segflow_abi") (result i32) (i32.const {ABI_VERSION}))
            (func (export "segflow_alloc") (param i32) (result i32) (i32.const -2))
            (func (export "segflow_call") (param i32 i32) (result i64) (i64.const 0)))"#
    ));
    assert_has(&trap(&host, &alloc), "`segflow_alloc` gave");
}

#[test]
fn an_answer_of_too_many_things_is_refused() {
    // `Turn` with 100,000 entries, all of zeros, as the memory is.
    let many = "(i32.store (i32.const 2048) (i32.const 0x068d_a001)) (i64.const 0x0800_0006_1a89)";
    let plugin = load(&host(), &plugin_with("(memory (export \"memory\") 8)", many)).unwrap();
    let turn = Turn {
        campaign: "c".into(),
        user_id: "u".into(),
        seed: 0,
        first_op: 0,
        started_at: 0,
        now: 0,
        attributes: Json("{}".into()),
        journal: Default::default(),
        completions: vec![],
    };
    let Err(PluginError::Trap(why)) = plugin.call(&Request::Turn(turn)) else { panic!("was taken") };
    assert_has(&why, "100000 things in one turn");
}

#[test]
fn other_modules_are_refused() {
    for junk in [&b""[..], b"\0asm", b"#!/bin/sh", b"\0asm\x01\0\0\0\xff\xff\xff", &plugin(ANSWER)[..200]] {
        assert_eq!(rejected(junk).0, "not_a_plugin", "{junk:?}");
    }
    assert_eq!(rejected(&wat("(component)")).0, "not_a_plugin");
    assert_eq!(rejected(&plugin("(i32.const 1)")).0, "not_a_plugin");
    assert_eq!(rejected(&vec![0; (8 << 20) + 1]).0, "too_large");
    let (code, message) = rejected(&wat("(module)"));
    assert_eq!(code, "missing_export");
    assert_has(&message, "`memory`, `segflow_abi`, `segflow_alloc`, `segflow_call`");

    let wasm = plugin(ANSWER);
    assert_eq!(host().load(&sha256(b"other"), &wasm).err().unwrap().code, "wrong_hash");

    let text = |abi: &str, rest: &str| {
        wat(&format!(
            r#"(module {rest} (memory (export "memory") 1)
                (func (export "segflow_abi") (result i32) {abi})
                (func (export "segflow_alloc") (param i32) (result i32) (i32.const 0))
                (func (export "segflow_call") (param i32 i32) (result i32) (i32.const 0)))"#
        ))
    };
    assert_eq!(rejected(&text("(i32.const 1)", "")).0, "missing_export");
    // Said before all else, whether it can be read or must be asked for.
    for abi in ["(i32.const 7)", "(i32.add (i32.const 3) (i32.const 4))"] {
        let (code, message) = rejected(&text(abi, ""));
        assert_eq!(code, "abi_version");
        assert_has(&message, "version 7, this server version 1");
    }
    let clock = r#"(import "wasi_snapshot_preview1" "clock_time_get" (func))"#;
    assert_eq!(rejected(&text("(i32.const 7)", clock)).0, "abi_version");
    let (code, message) = rejected(&text("(i32.const 1)", clock));
    assert_eq!(code, "forbidden_import");
    assert_has(&message, "`clock_time_get` from `wasi_snapshot_preview1`");
    assert_eq!(rejected(&text("(i32.const 1)", r#"(import "segflow" "panic" (func))"#)).0, "forbidden_import");
    assert_eq!(rejected(&text("(loop (br 0)) unreachable", "")).0, "not_a_plugin");
}

#[test]
fn small_modules_that_ask_for_much_are_refused() {
    let memory = |pages: u32| plugin_with(&format!("(memory (export \"memory\") {pages})"), ANSWER);
    assert!(load(&host(), &memory(1024)).is_ok());
    assert_eq!(rejected(&memory(1025)).0, "memory_too_large");
    assert_eq!(rejected(&memory(65536)).0, "memory_too_large");
    for items in [
        "(memory (export \"memory\") 2) (data (i32.const 0x7fff0000) \"x\")",
        "(memory (export \"memory\") 2) (data (i32.const -1) \"x\")",
        "(memory (export \"memory\") 2) (data (i32.const 0x1ffff) \"xy\")",
    ] {
        assert_eq!(rejected(&plugin_with(items, ANSWER)).0, "data_outside_memory", "{items}");
    }
    let table = "(memory (export \"memory\") 2) (table 1000000 funcref)";
    assert_eq!(rejected(&plugin_with(table, ANSWER)).0, "table_too_large");
    let functions = "(func)".repeat(30_001);
    assert_eq!(
        rejected(&plugin_with(&format!("(memory (export \"memory\") 2) {functions}"), ANSWER)).0,
        "too_many_functions"
    );
    let large = format!("{} {ANSWER}", "(drop (i64.const 0x7fff_ffff_ffff))".repeat(40_000));
    assert_eq!(rejected(&plugin(&large)).0, "function_too_large");
    for memory in ["(memory (export \"memory\") i64 2)", "(memory (export \"memory\") 2 3 shared)"] {
        assert_eq!(rejected(&plugin_with(memory, ANSWER)).0, "not_a_plugin");
    }
    assert_eq!(rejected(&plugin_with("(memory (export \"memory\") 2) (memory 1)", ANSWER)).0, "memory_too_large");
}

#[test]
fn a_trap_leaves_the_host_usable() {
    let host = host();
    let bad = load(&host, &plugin("(loop (br 0)) unreachable")).unwrap();
    let good = load(&host, &plugin(ANSWER)).unwrap();
    for _ in 0..5 {
        assert!(ask(&bad).is_err());
        assert_eq!(ask(&good), Ok(hi()));
    }
    // Modules outlive the host.
    drop(host);
    assert_eq!(ask(&good), Ok(hi()));
}

#[test]
fn two_hundred_calls_at_once() {
    let host = host();
    let wasm = plugin(&format!(
        "(local i32) (loop (br_if 0 (i32.lt_u (local.tee 2 (i32.add (local.get 2) (i32.const 1))) (i32.const 100000)))) {ANSWER}"
    ));
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| assert_eq!(ask(&load(&host, &wasm).unwrap()), Ok(hi())));
        }
    });
}

#[test]
fn the_least_used_makes_room() {
    let host = host();
    let modules: Vec<_> = (0..70).map(|n| plugin(&format!("(drop (i32.const {n})) {ANSWER}"))).collect();
    for wasm in &modules {
        load(&host, wasm).unwrap();
        assert!(host.get(&sha256(&modules[0])).is_some());
    }
    assert_eq!(modules.iter().filter(|wasm| host.get(&sha256(wasm)).is_some()).count(), super::limits::KEPT_IN_MEMORY);
}

fn artifact(folder: &Path) -> std::path::PathBuf {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

#[test]
fn what_was_compiled_is_found_after_a_restart() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/plugins");
    let wasm = plugin(ANSWER);
    let restart = || {
        let host = Host::new(Some(folder.clone())).unwrap();
        assert_eq!(ask(&load(&host, &wasm).unwrap()), Ok(hi()));
    };
    restart();
    let path = artifact(&folder);
    assert_has(path.to_str().unwrap(), &sha256(&wasm));
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    restart();
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), written, "it was compiled again");

    // Damage, truncation, nothing, a file of something else: each is seen, and repaired.
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for damaged in [&flipped[..], &bytes[..bytes.len() - 1], &bytes[..20], b"", &wasm] {
        std::fs::write(&path, damaged).unwrap();
        restart();
        assert!(std::fs::read(&path).unwrap().len() >= bytes.len());
        assert_ne!(std::fs::read(&path).unwrap(), damaged);
    }
}

#[cfg(unix)]
#[test]
fn the_cache_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let chmod = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    chmod(folder.path(), 0o777);
    let wasm = plugin(ANSWER);
    load(&Host::new(Some(folder.path().into())).unwrap(), &wasm).unwrap();
    assert_eq!(mode(folder.path()), 0o700);
    let path = artifact(folder.path());
    assert_eq!(mode(&path), 0o600);

    // What others could write is not run, but replaced.
    chmod(&path, 0o666);
    load(&Host::new(Some(folder.path().into())).unwrap(), &wasm).unwrap();
    assert_eq!(mode(&path), 0o600);

    std::fs::write(folder.path().join("file"), "").unwrap();
    let Err(why) = Host::new(Some(folder.path().join("file"))) else { panic!("a file is no folder") };
    assert_has(&why.to_string(), "cannot keep compiled plugins");
}
