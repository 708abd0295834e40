//! The emails as they are, and where their peers live.

use std::path::PathBuf;
use std::process::Command;

use segflow::dispatch::respond;
use segflow_protocol::{Json, Render, Rendered, Request, Response};
use segflow_tests::peers;
use serde_json::Value;

/// The emails by name, rendered as a server renders them.
pub fn rendered() -> Vec<(String, Rendered)> {
    let data: Value = serde_json::from_str(six::DATA).expect("JSON");
    let emails = data["emails"].as_object().expect("emails");
    let render = |(name, args): (&String, &Value)| {
        let render =
            Render { template: name.clone(), user: Json(data["user"].to_string()), args: Json(args.to_string()) };
        match respond(&six::six(), Request::Render(render)) {
            Response::Rendered(rendered) => (name.clone(), rendered),
            other => panic!("{name}: {other:?}"),
        }
    };
    emails.iter().map(render).collect()
}

/// The folder of the scripts, in which Node finds React Email and Chromium.
pub fn home() -> PathBuf {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vendors/six");
    let home = peers::installed("six", &source.join("package.json"), |folder| {
        peers::output(Command::new("npm").args(peers::NPM).current_dir(folder), "");
        // It unpacks itself, once.
        let unpack = "import c from '@sparticuz/chromium'; await c.executablePath()";
        let unpack = ["--input-type=module", "--eval", unpack];
        peers::output(chromium(Command::new("node").args(unpack).current_dir(folder)), "");
    });
    for file in ["browser.mjs", "compare.mjs", "docs.mjs", "pictures.mjs", "letters.mjs", "data.json"] {
        // Other tests may be reading it: it is replaced as a whole.
        let new = home.join(format!("{file}.{}", std::process::id()));
        std::fs::copy(source.join(file), &new).expect("copied");
        std::fs::rename(new, home.join(file)).expect("renamed");
    }
    home
}

/// The Chromium of npm brings its libraries and a font for machines that have none: it has to be told that this may be one. Its own
/// configuration looks for the font in /tmp, wherever it was unpacked; without a font, it shows no text at all.
pub fn chromium(command: &mut Command) -> &mut Command {
    let folder = command.get_current_dir().expect("a folder").join("chromium");
    std::fs::create_dir_all(&folder).expect("a folder");
    let (fonts, new) = (folder.join("fonts.conf"), folder.join(format!("fonts.conf.{}", std::process::id())));
    let places = format!("<dir>{0}/fonts</dir><cachedir>{0}/fonts-cache</cachedir>", folder.display());
    std::fs::write(&new, format!("<?xml version=\"1.0\"?>\n<fontconfig>{places}</fontconfig>\n")).expect("written");
    std::fs::rename(new, &fonts).expect("renamed");
    command.env("FONTCONFIG_FILE", fonts).env("TMPDIR", folder).env("AWS_LAMBDA_JS_RUNTIME", "nodejs22.x")
}
