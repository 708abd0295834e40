//! `segflow dev` and `segflow serve` where they end by themselves; what they do while they run is the end-to-end suite's.

use crate::run::Place;

#[cfg(not(feature = "server"))]
#[test]
fn the_light_client_says_how_to_get_a_server() {
    let place = Place::new();
    for verb in [&["dev", "--port", "0", "--once"][..], &["serve", "--init-key"]] {
        place.segflow(verb).failed(1, &["was built without the server", "cargo install"]);
    }
}

#[cfg(feature = "server")]
mod with_server {
    use std::net::TcpListener;

    use super::*;

    /// A crate that builds in a moment; it is no plugin.
    fn project(place: &Place, lib: &str) {
        let manifest = "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n[workspace]\n";
        place.write("Cargo.toml", manifest);
        place.write("src/lib.rs", lib);
    }

    #[test]
    fn a_broken_traffic_file_is_refused_before_anything_starts() {
        let place = Place::new();
        project(&place, "");
        place.write(
            "t.jsonl",
            "{\"at\": \"2026-01-01T09:00:00Z\", \"user\": \"ada\", \"event\": \"login\"}\nnonsense\n",
        );
        let dev = ["dev", "--port", "0", "--once", "--play"];
        place.segflow(&[&dev[..], &["t.jsonl"]].concat()).failed(1, &["t.jsonl:2: expected"]);
        place.segflow(&[&dev[..], &["none.jsonl"]].concat()).failed(1, &["none.jsonl cannot be read"]);
        assert!(!place.path(".segflow").exists());
    }

    #[test]
    fn a_folder_without_a_project_is_left_alone() {
        let place = Place::new();
        place.segflow(&["dev", "--port", "0", "--once"]).failed(1, &["it has no Cargo.toml"]);
        assert!(!place.path(".segflow").exists());
    }

    #[test]
    fn a_taken_port_is_named() {
        let place = Place::new();
        project(&place, "");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        place.segflow(&["dev", "--once", "--port", &port]).failed(1, &[&format!("port {port} is taken"), "--port N"]);
    }

    #[test]
    fn once_fails_when_the_project_does_not_build_or_is_refused() {
        let place = Place::new();
        let dev = ["dev", "--port", "0", "--once"];
        project(&place, "pub fn broken() -> u8 { \"text\" }");
        place.segflow(&dev).failed(1, &["error[E0308]", "error: shop does not compile"]);
        project(&place, "");
        place.segflow(&dev).failed(1, &["error: nothing was pushed: "]);
        assert_eq!(std::fs::read_to_string(place.path(".segflow/.gitignore")).unwrap(), "*\n");
        assert!(!place.path(".segflow/dev.json").exists(), "it says where the server listens, and there is none");
    }

    #[test]
    fn serve_wants_a_database() {
        let place = Place::new();
        place.segflow(&["serve", "--port", "0"]).failed(2, &["which database?", "DATABASE_URL"]);
        place.segflow(&["serve", "--port", "0", "--config", "none.toml"]).failed(1, &["none.toml cannot be read"]);
        place.write("segflow.toml", "database = \"sqlite://x.db\"\n");
        let ran = place.segflow(&["serve", "--port", "0", "--config", "segflow.toml"]);
        ran.failed(1, &["segflow.toml is not right", "unknown field `database`"]);
        let ran = place.segflow(&["serve", "--port", "0", "--db", "postgres://x"]);
        ran.failed(1, &["the server cannot start"]);
    }
}
