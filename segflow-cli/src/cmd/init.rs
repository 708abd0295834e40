mod sdk;
mod template;
mod workspace;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use super::Context;
use crate::failure::usage;
use workspace::Membership;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  segflow init shop     a new folder `shop`
  segflow init          in this folder, which has no Cargo.toml yet

Inside a Cargo workspace the project becomes a member of it. Nothing that exists is overwritten.")]
pub struct Init {
    /// The new project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
}

impl Init {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let printer = &context.printer;
        let dir = std::path::absolute(&self.dir)?;
        let name = package_name(&dir)?;
        let files = template::files(&name, &sdk::dependency(&dir));
        refuse_to_overwrite(&dir, &files)?;
        for (path, text) in &files {
            write(&dir.join(path), text)?;
        }
        match workspace::join(&dir).await? {
            Membership::None | Membership::Covered => {}
            Membership::Added(manifest) => printer.note(format!("added to the members of {}", manifest.display())),
            Membership::ByHand { manifest, member } => printer.warning(format!(
                "the project lies in the workspace of {}, which could not be changed: add {member} to its `members`",
                manifest.display()
            )),
        }
        printer.result(format!("{name} is there, in {}", dir.display()));
        printer.note(next_steps(&self.dir));
        printer.document(&json!({"name": name, "path": dir}));
        Ok(ExitCode::SUCCESS)
    }
}

fn next_steps(dir: &Path) -> String {
    let enter = if dir == Path::new(".") { String::new() } else { format!("  cd {}\n", dir.display()) };
    format!(
        "\n{enter}  cargo test        plays its campaign over 30 days, in a moment\n\
         \x20 segflow dev       runs it here; mail is captured, not sent\n\
         \x20 segflow push      brings it to a server, after showing what that would do"
    )
}

/// The folder's name, as cargo wants a package to be named.
fn package_name(dir: &Path) -> Result<String> {
    let folder =
        dir.components().next_back().map(|part| part.as_os_str().to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = folder.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let name = name.trim_matches('-').to_owned();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(usage(format!(
            "`{folder}` gives no name for a Rust package: choose a folder whose name begins with a letter"
        )));
    }
    // These would name the library like a crate it uses, or like a word of the language.
    let taken = ["segflow", "segflow-sdk", "serde", "std", "core", "alloc", "test", "proc-macro"];
    let keyword = [
        "async", "crate", "dyn", "enum", "extern", "fn", "match", "mod", "move", "self", "static", "struct", "super",
        "type", "use",
    ];
    if taken.contains(&name.as_str()) || keyword.contains(&name.as_str()) {
        return Ok(format!("{name}-flows"));
    }
    Ok(name)
}

fn refuse_to_overwrite(dir: &Path, files: &[(&str, String)]) -> Result<()> {
    let there: Vec<&str> = files
        .iter()
        // Its lines only matter to git, and an existing one is the user's.
        .filter(|(path, _)| *path != ".gitignore")
        .filter(|(path, _)| dir.join(path).exists())
        .map(|(path, _)| *path)
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(usage(format!(
        "{} has {} already, and nothing is overwritten: choose another folder, `segflow init DIR`",
        dir.display(),
        there.join(", ")
    )))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if path.file_name().is_some_and(|name| name == ".gitignore") && path.exists() {
        return Ok(());
    }
    let folder = path.parent().expect("a file has a folder");
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_after_folders() {
        let name = |folder: &str| package_name(&Path::new("/x").join(folder)).unwrap();
        assert_eq!(name("shop"), "shop");
        assert_eq!(name("My Shop"), "my-shop");
        assert_eq!(name("segflow"), "segflow-flows");
        assert!(package_name(Path::new("/x/2026")).is_err());
        assert!(package_name(Path::new("/")).is_err());
    }
}
